package main

import (
	"bytes"
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseOptions(t *testing.T) {
	t.Parallel()
	t.Run("defaults to every scenario in short", func(t *testing.T) {
		t.Parallel()
		o, err := parseOptions(nil, &bytes.Buffer{})
		require.NoError(t, err)
		require.NotEmpty(t, o.scenarios)
		require.False(t, o.size.Full)
		require.Equal(t, defaultRounds, o.size.Rounds)
	})
	t.Run("selects scenarios by name", func(t *testing.T) {
		t.Parallel()
		o, err := parseOptions([]string{"--only", "^bridge$", "--full", "--rounds", "3"}, &bytes.Buffer{})
		require.NoError(t, err)
		require.Len(t, o.scenarios, 1)
		require.True(t, o.size.Full)
		require.Equal(t, 3, o.size.Rounds)
	})
	t.Run("reports every fault", func(t *testing.T) {
		t.Parallel()
		_, err := parseOptions([]string{"--only", "(", "--rounds", "0"}, &bytes.Buffer{})
		require.EqualError(t, err, "--only: must be a regular expression\n--rounds: must be from 1 to 100")
		_, err = parseOptions([]string{"--only", "^none$"}, &bytes.Buffer{})
		require.EqualError(t, err, "--only: matches no scenario")
	})
	t.Run("lists the scenarios in its help", func(t *testing.T) {
		t.Parallel()
		var help bytes.Buffer
		_, err := parseOptions([]string{"--help"}, &help)
		require.ErrorIs(t, err, flag.ErrHelp)
		require.Contains(t, help.String(), "  bridge: ")
	})
}
