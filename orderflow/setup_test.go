package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/setup"
)

// runSetup runs `orderflow setup` with settings, and returns what it printed and its exit
// code.
func runSetup(t *testing.T, environ []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	c := cli{args: append([]string{"setup"}, args...), environ: environ, stdout: &out, stderr: &errs}
	code = exitCode(&errs, c.run(t.Context()))
	return out.String(), errs.String(), code
}

func TestSetup_Faults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		environ, args []string
		want          string
	}{
		"all stores need settings":         {nil, []string{"--skip", "temporal"}, "KURRENTDB_URL: is required\nPOSTGRES_URL: is required\n"},
		"one store needs only its own":     {nil, []string{"--only", "postgres"}, "POSTGRES_URL: is required\n"},
		"an unknown store":                 {nil, []string{"--only", "postgres,oracle", "--skip", "postgres,kurrentdb"}, "--only: must be of postgres, kurrentdb and temporal, separated by commas\n"},
		"no store at all":                  {nil, []string{"--only", "temporal", "--skip", "temporal"}, "--skip: leaves no store to set up\n"},
		"a rate that is none":              {nil, []string{"--only", "temporal", "--email-rate", "0"}, "--email-rate: must be a number of emails per second, above 0 and at most 100000\n"},
		"a user without --rights":          {[]string{"KURRENTDB_URL=kurrentdb://h"}, []string{"--only", "kurrentdb", "--user", "worker=w"}, "--user: has no effect without --rights\n"},
		"a projection without --rights":    {[]string{"KURRENTDB_URL=kurrentdb://h"}, []string{"--only", "kurrentdb", "--keep-correlation"}, "--keep-correlation: has no effect without --rights\n"},
		"a user of no program":             {[]string{"KURRENTDB_URL=kurrentdb://h"}, []string{"--only", "kurrentdb", "--rights", "--user", "shop=w"}, "--user: must be PROGRAM=USER, with one of starter, worker, publisher, projector, api, reconcile, checkout and creditdesk\n"},
		"a rate of the environment":        {[]string{"EMAIL_RATE=NaN"}, []string{"--only", "temporal"}, "EMAIL_RATE: must be a number of emails per second, above 0 and at most 100000\n"},
		"a schedule of the environment":    {[]string{"RECONCILE_EVERY=30s", "RECONCILE_WINDOW=1s"}, []string{"--only", "temporal"}, "RECONCILE_EVERY: must be 0 or whole seconds from 1m to 87600h\nRECONCILE_WINDOW: must be 0 or whole seconds from RECONCILE_EVERY to 87600h\n"},
		"a wait that is too long":          {nil, []string{"--only", "temporal", "--wait", "2h"}, "--wait: must be from 0s to 1h\n"},
		"a database behind no real server": {[]string{"POSTGRES_URL=nonsense"}, []string{"--only", "postgres"}, "POSTGRES_URL: must be a connection string such as postgres://user:password@host:port/database\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := runSetup(t, c.environ, c.args...)
			require.Equal(t, c.want, stderr)
			require.Empty(t, stdout)
			require.Equal(t, 2, code)
		})
	}
}

func TestSetup(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartSecure(t, kurrentsim.Options{}, kurrentsimtest.User("starter"))
	environ := func(user string) []string { return []string{"KURRENTDB_URL=" + server.URLFor(user), "LOG_LEVEL=error"} }
	only := []string{"--only", "kurrentdb", "--grant", "starter"}

	stdout, stderr, code := runSetup(t, environ("starter"), only...)
	require.Equal(t, exitAttention, code, stderr)
	require.Equal(t, "setup: 4 of 4 steps are left to do\n", stderr)
	require.Contains(t, stdout, "kurrentdb  rights of starter")
	require.Contains(t, stdout, "\nto do for kurrentdb, rights of starter:\n    orderflow group create --grant starter\n")

	stdout, stderr, code = runSetup(t, environ(kurrentsimtest.Admin), append(only, "--dry-run", "-o", "json")...)
	require.Zero(t, code, stderr)
	var report setup.Report
	require.NoError(t, json.Unmarshal([]byte(stdout), &report))
	require.True(t, report.DryRun)
	require.Equal(t, 4, report.Count(setup.WouldCreate), stdout)

	for _, want := range []string{"created", "already there"} {
		stdout, stderr, code = runSetup(t, environ(kurrentsimtest.Admin), only...)
		require.Zero(t, code, stderr)
		require.Regexp(t, `(?m)^STORE +STEP +RESULT\nkurrentdb +group fulfillment on \$ce-order +`+want+`$`, stdout)
	}

	stdout, stderr, code = runSetup(t, []string{"KURRENTDB_URL=kurrentdb://127.0.0.1:1?tls=false", "KURRENTDB_ALLOW_PLAINTEXT=true", "LOG_LEVEL=error"}, only...)
	require.Equal(t, 1, code)
	require.Contains(t, stdout, "connection  failed: ")
	require.Equal(t, "setup: 1 of 1 steps failed\n", stderr)
}

// Output that cannot be written is a failure, whatever was set up.
func TestSetup_NoOutput(t *testing.T) {
	t.Parallel()
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	closed, w := io.Pipe()
	require.NoError(t, closed.Close())
	c := cli{
		args: []string{"setup", "--only", "kurrentdb"}, environ: []string{"KURRENTDB_URL=" + server.URL(), "KURRENTDB_ALLOW_PLAINTEXT=true"},
		stdout: w, stderr: io.Discard,
	}
	require.Equal(t, 1, exitCode(io.Discard, c.run(t.Context())))
}
