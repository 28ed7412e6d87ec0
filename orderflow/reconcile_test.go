package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/opstest"
	"orderflow/dev/startertest"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// The SDK reads the namespace from the environment of this process, so no other test runs
// in parallel.
func TestReconcile(t *testing.T) {
	hidden, shown := startertest.NewOrderID(), startertest.NewOrderID()
	server, err := kurrentsim.Start(kurrentsim.Options{HiddenLinks: []store.Target{{Stream: hidden, Revision: 0}}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	namespace := "n" + uuid.NewString()
	temporal, err := openNamespace(t.Context(), servers.Temporal(t), namespace)
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	t.Setenv("TEMPORAL_NAMESPACE", namespace)
	environ := []string{"KURRENTDB_URL=" + server.URL(), "KURRENTDB_ALLOW_PLAINTEXT=true", "POSTGRES_URL=" + servers.Database(t), "LOG_LEVEL=error"}
	starter := startertest.New(t, shared.starter, server.URL(), "TEMPORAL_NAMESPACE="+namespace)
	starter.Run()
	opstest.Start(t, func(ctx context.Context, log io.Writer) error {
		return opstest.Run(ctx, shared.worker, append([]string{"EMAIL_FROM=shop@example.com", "SHUTDOWN_TIMEOUT=10s"}, environ...), log)
	})
	for _, id := range []string{shown, hidden} {
		starter.Append(id, startertest.PlacedEvent(id))
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var state order.State
		value, err := temporal.QueryWorkflow(t.Context(), shown, "", workflows.StatusQuery)
		require.NoError(c, err)
		require.NoError(c, value.Get(&state))
		require.Equal(c, order.StatusFulfilling, state.Status)
	}, longEnough, 20*time.Millisecond)
	command := func(environ []string, args ...string) (stdout, stderr string, code int) {
		var out, errs bytes.Buffer
		c := cli{args: append([]string{"reconcile"}, args...), environ: environ, stdout: &out, stderr: &errs}
		code = exitCode(&errs, c.run(t.Context()))
		return out.String(), errs.String(), code
	}

	out, errs, code := command(environ)
	require.Zero(t, code, "an order is young at first\n%s", errs)
	require.Equal(t, "checked 0  missing 0  extra 0  held 0  parked 0  fixed 0  left 0\n"+
		"2 orders are younger than the grace and were not checked\n", out)

	out, errs, code = command(environ, "--grace", "0s")
	require.Equal(t, 3, code, errs)
	require.Equal(t, "reconcile: 1 differences left\n", errs)
	require.Contains(t, out, "checked 2  missing 1  extra 0  held 0  parked 0  fixed 0  left 1\n")
	require.Regexp(t, hidden+` +missing +none +- +none +no`, out)

	out, errs, code = command(environ, "--grace=0s", "--fix", "--since", "1h", "-o", "json")
	require.Zero(t, code, errs)
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.NotZero(t, got["seconds"])
	delete(got, "seconds")
	require.Equal(t, map[string]any{
		"checked": 2.0, "young": 0.0, "missing": 1.0, "extra": 0.0, "held": 0.0, "lost": 0.0, "conflict": 0.0, "stuck": 0.0, "undelivered": 0.0, "unreserved": 0.0, "unlinked": 0.0, "parked": 0.0, "fixed": 1.0, "left": 0.0, "more": 0.0,
		"differences": []any{map[string]any{
			"orderId": hidden, "kind": "missing", "workflow": "none", "row": "", "credit": "none", "detail": "", "fixed": true,
		}},
	}, got)

	out, _, code = command(environ, "--grace=0s", "--since", time.Now().Add(-time.Hour).Format(time.RFC3339))
	require.Zero(t, code)
	require.Contains(t, out, "checked 2  missing 0")

	for name, c := range map[string]struct {
		args   []string
		drop   string
		stderr string
	}{
		"a time that is none":   {[]string{"--since", "yesterday"}, "", "--since: must be a duration such as 24h"},
		"a time to come":        {[]string{"--since", "2999-01-01T00:00:00Z"}, "", "a time in the past"},
		"a grace below zero":    {[]string{"--grace", "-1s"}, "", "--grace: must be from 0s to 1h"},
		"a word too many":       {[]string{"now"}, "", "arguments: reconcile takes no arguments"},
		"another format":        {[]string{"-o", "xml"}, "", "--output: must be table or json"},
		"no database to ask":    {nil, "POSTGRES_URL", "POSTGRES_URL: is required"},
		"no event store to ask": {nil, "KURRENTDB_URL", "KURRENTDB_URL: is required"},
	} {
		kept := []string{}
		for _, variable := range environ {
			if c.drop == "" || !strings.HasPrefix(variable, c.drop+"=") {
				kept = append(kept, variable)
			}
		}
		_, errs, code := command(kept, c.args...)
		require.Equal(t, 2, code, name)
		require.Contains(t, errs, c.stderr, name)
	}

	gone := []string{"POSTGRES_URL=postgres://nobody@127.0.0.1:1/none"}
	_, errs, code = command(append(gone, environ[:2]...))
	require.Equal(t, 1, code, errs)
	out, _, code = command(environ, "--help")
	require.Zero(t, code)
	require.Contains(t, out, "--fix")
}
