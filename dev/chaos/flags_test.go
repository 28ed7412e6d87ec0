package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
)

func TestRun_ReportsAllInvalidFlags(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"an unknown flag":             {[]string{"--speed", "9"}, []string{"arguments: flag provided but not defined: -speed"}},
		"an argument":                 {[]string{"now"}, []string{`arguments: unexpected "now": only flags are accepted`}},
		"an unknown scenario":         {[]string{"--scenario", "doom"}, []string{"--scenario: must be one of soak, steady"}},
		"no time and an invalid seed": {[]string{"--minutes", "0", "--seed", "-1"}, []string{"--minutes: must be above 0", "--seed: must be a whole number"}},
		"too many crashes":            {[]string{"--crashes", "100000"}, []string{"--crashes: must be from 0 to 1000"}},
		"an invalid drain":            {[]string{"--drain", "soon"}, []string{"--drain: must be a duration"}},
		"a check of nothing":          {[]string{"--check"}, []string{"--check: needs --kurrentdb"}},
		"an invalid KurrentDB":        {[]string{"--kurrentdb", "http://db:2113"}, []string{"--kurrentdb: must name a node"}},
		"a cluster":                   {[]string{"--kurrentdb", "kurrentdb://a:2113,b:2113"}, []string{"--kurrentdb: must be a connection string of one node"}},
		"nodes to be discovered":      {[]string{"--kurrentdb", "kurrentdb+discover://db:2113"}, []string{"--kurrentdb: must name a node"}},
		"a rate of zero":              {[]string{"--rate", "0"}, []string{"--rate: must be above 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := run(t.Context(), test.args, io.Discard, io.Discard)
			require.Equal(t, config.ExitConfiguration, exitCode(io.Discard, err))
			for _, want := range test.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestRun_HelpNamesEveryScenario(t *testing.T) {
	t.Parallel()
	var help strings.Builder
	require.NoError(t, run(t.Context(), []string{"--help"}, &help, io.Discard))
	for _, name := range scenarioNames() {
		require.Contains(t, help.String(), name)
	}
}

func TestOptions_Again(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--minutes", "2.5", "--seed", "9"},
		{"--scenario", "cancel", "--seed", "9", "--rate", "3"},
		{"--scenario", "crash", "--seed", "9", "--crashes", "3"},
		{"--seed", "9", "--kurrentdb", "kurrentdb://127.0.0.1:2113?tls=false"},
	} {
		first, err := parseOptions(args, io.Discard)
		require.NoError(t, err)
		again, err := parseOptions(strings.Fields(first.again())[1:], io.Discard)
		require.NoError(t, err)
		require.Equal(t, first.again(), again.again())
		require.Equal(t, first.seed, again.seed)
		require.Equal(t, first.scenario.name, again.scenario.name)
	}
}

func TestParseOptions_RandomSeed(t *testing.T) {
	t.Parallel()
	first, err := parseOptions(nil, io.Discard)
	require.NoError(t, err)
	second, err := parseOptions(nil, io.Discard)
	require.NoError(t, err)
	require.NotEqual(t, first.seed, second.seed)
}

func TestRun_NamesMissingPrograms(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), []string{"--bin", t.TempDir(), "--state", t.TempDir()}, io.Discard, io.Discard)
	require.Equal(t, config.ExitFailure, exitCode(io.Discard, err))
	for _, name := range []string{"worker", "starter", "kurrentsim", "sessim"} {
		require.ErrorContains(t, err, name+" is not in ")
	}
}

func TestScenarios_CanBeRun(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		require.NotEmpty(t, s.about, s.name)
		require.Positive(t, s.rate, s.name)
		require.GreaterOrEqual(t, s.window(1), 2*time.Second, s.name)
	}
}
