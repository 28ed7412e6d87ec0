package flags_test

import (
	"bytes"
	"flag"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/flags"
	"orderflow/internal/config"
)

func TestReadArguments(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string // the error; empty if there is none
	}{
		"valid flags": {[]string{"--count", "3", "--seed=18446744073709551615"}, ""},
		"no flags":    {nil, ""},
		"invalid values": {
			[]string{"--count", "0", "--seed", "-1"}, "--count: must be from 1 to 3\n--seed: must be a whole number, not below zero",
		},
		"text":            {[]string{"--count", "few"}, "--count: must be from 1 to 3"},
		"an argument":     {[]string{"now"}, `arguments: unexpected "now": only flags are accepted`},
		"an unknown flag": {[]string{"--speed", "9"}, "arguments: flag provided but not defined: -speed"},
		"flags that exclude each other": {
			[]string{"--count", "9", "--dry"}, "--count: must be from 1 to 3\n--dry: excludes --count",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var count int
			var seed uint64
			s := flags.New("program")
			s.Count(&count, "count", "how many", 1, 3)
			s.Seed(&seed, "seed", "of the generator")
			dry := s.Bool("dry", false, "do nothing")

			err := s.ReadArguments(test.args, nil, "", func() {
				if *dry && count > 0 {
					s.Fault("--dry", "excludes --count")
				}
			})

			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
			require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
		})
	}
}

func TestReadArguments_Help(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := flags.New("program")
	s.Count(new(int), "count", "how many `orders`", 1, 3)

	err := s.ReadArguments([]string{"-h"}, &out, "program counts.\n", func() { t.Error("help needs no check") })

	require.ErrorIs(t, err, flag.ErrHelp)
	require.Equal(t, "program counts.\n\n  -count orders\n    \thow many orders\n", out.String())
}
