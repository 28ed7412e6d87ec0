package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
)

func TestParseOptions_Defaults(t *testing.T) {
	t.Parallel()
	o, err := parseOptions(nil, nil)

	require.NoError(t, err)
	require.Equal(t, ".local", o.state)
	require.InDelta(t, 0.5, o.rate, 0)
	require.Equal(t, 10*time.Minute, o.timeout)
	require.False(t, o.autoPorts || o.fresh || o.once || o.realSES)
}

func TestParseOptions_AllFlags(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "orders.json")
	require.NoError(t, os.WriteFile(file, []byte(`[{"stream":"order-1","events":[]}]`), 0o600))
	same := filepath.Join(t.TempDir(), "same.json")
	require.NoError(t, os.WriteFile(same, []byte(`[{"stream":"order-1","events":[]}]`), 0o600))

	o, err := parseOptions([]string{
		"--once", "--fresh", "--ports", "auto", "--state", "elsewhere", "--orders", file, "--orders=" + same, "--generate", "3",
		"--seed", "18446744073709551615", "--timeout", "90s", "--ses", "sim",
	}, nil)

	require.NoError(t, err)
	require.True(t, o.once && o.fresh && o.autoPorts)
	require.Equal(t, "elsewhere", o.state)
	require.Len(t, o.streams, 1, "the same content counts once")
	require.Equal(t, 3, o.generate)
	require.Equal(t, uint64(18446744073709551615), o.seed)
	require.Equal(t, 90*time.Second, o.timeout)
	require.Zero(t, o.rate, "--once generates no further orders")
}

func TestParseOptions_ReportsEveryFault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	odd := filepath.Join(dir, "odd.json")
	require.NoError(t, os.WriteFile(odd, []byte(`[{"stream":"order-1"}]`), 0o600))
	missing := filepath.Join(dir, "missing.json")
	tests := map[string]struct {
		args []string
		want string
	}{
		"values": {
			[]string{
				"--ports", "some", "--generate", "0", "--seed", "-1", "--rate", "NaN", "--timeout", "10", "--ses", "smtp", "--state", "",
			},
			"--generate: must be from 1 to 1000000\n--ports: must be default or auto\n--rate: must be 0, or from 0.001 to 1000\n" +
				"--seed: must be a whole number, not below zero\n--ses: must be sim or aws\n--state: must name a folder\n" +
				"--timeout: must be a duration such as 90s or 10m, up to 24h",
		},
		"files": {
			[]string{"--once", "--orders", missing, "--orders", odd},
			"--orders " + missing + ": no such file or directory\n--orders " + odd + ": [0].events: is missing",
		},
		"nothing to report on": {
			[]string{"--once"}, "--once: needs --orders or --generate",
		},
		"made-up addresses at the real SES": {
			[]string{"--ses", "aws", "--generate", "1"}, "--generate: cannot be used with --ses aws: the generated addresses do not exist",
		},
		"an argument":     {[]string{"start"}, `arguments: unexpected "start": only flags are accepted`},
		"an unknown flag": {[]string{"--port", "auto"}, "arguments: flag provided but not defined: -port"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseOptions(test.args, nil)

			require.EqualError(t, err, test.want)
			require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
		})
	}
}

func TestParseOptions_RealSESGeneratesNothing(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"--ses", "aws", "--rate", "5"}, nil)

	require.NoError(t, err)
	require.Zero(t, o.rate)
}

func TestParseOptions_Help(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	_, err := parseOptions([]string{"--help"}, &out)

	require.ErrorIs(t, err, flag.ErrHelp)
	for _, name := range []string{"state", "fresh", "once", "orders", "generate", "seed", "rate", "timeout", "ses", "ports"} {
		require.Contains(t, out.String(), "-"+name)
	}
	require.Equal(t, 0, config.ExitCode(run(t.Context(), []string{"-h"}, nil, &out, &out)))
}
