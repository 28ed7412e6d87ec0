package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/workflows"
)

func runReplay(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	c := cli{args: append([]string{"replay"}, args...), environ: []string{"LOG_LEVEL=error"}, stdout: &out, stderr: &errs}
	code = exitCode(&errs, c.run(t.Context()))
	return out.String(), errs.String(), code
}

// awaitReplay repeats a replay until visibility shows what it is about.
func awaitReplay(t *testing.T, code int, want string, args ...string) (stdout, stderr string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var got int
		stdout, stderr, got = runReplay(t, args...)
		require.Equal(c, code, got, "%s%s", stdout, stderr)
		require.Regexp(c, want, stdout)
	}, longEnough, waitTick)
	return stdout, stderr
}

// The SDK reads the namespace from the environment of this process, so no other test runs
// in parallel.
func TestReplay(t *testing.T) {
	t.Run("replays the orders of a real worker", func(t *testing.T) {
		p := place(t)
		p.await("fulfilling", "sent")
		out, _ := awaitReplay(t, 0, `"type": "OrderFulfillment"`, "-o", "json", "--query", `WorkflowId="`+p.id+`"`)
		var got map[string]any
		require.NoError(t, json.Unmarshal([]byte(out), &got))
		require.Equal(t, []any{map[string]any{
			"type": "OrderFulfillment", "known": true, "found": 1.0, "pinned": 0.0, "sampled": 1.0, "replayed": 1.0, "new": 0.0, "gone": 0.0, "failed": 0.0, "unread": 0.0,
		}}, got["types"])
		require.Empty(t, got["problems"])
		awaitReplay(t, 0, `(?m)^OrderFulfillment +[1-9]`)
	})

	namespace := "replay-" + uuid.NewString()
	c, err := openNamespace(t.Context(), servers.Temporal(t), namespace)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	t.Setenv("TEMPORAL_NAMESPACE", namespace)
	t.Run("finds none", func(t *testing.T) {
		out, _, code := runReplay(t)
		require.Zero(t, code)
		require.Equal(t, "there are none: ExecutionStatus = \"Running\" AND TaskQueue = \"order-fulfillment\"\n", out)
	})
	t.Run("exits with 3 for other code and for a type that this build lacks", func(t *testing.T) {
		w := worker.New(c, workflows.TaskQueue, worker.Options{WorkerStopTimeout: longEnough})
		other := func(ctx workflow.Context, _ workflows.Input) error { return workflow.Sleep(ctx, longEnough) }
		for _, name := range []string{workflows.OrderFulfillmentType, "OrderRetired"} {
			w.RegisterWorkflowWithOptions(other, workflow.RegisterOptions{Name: name})
		}
		require.NoError(t, w.Start())
		t.Cleanup(w.Stop)
		for _, name := range []string{workflows.OrderFulfillmentType, "OrderRetired"} {
			_, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: name, TaskQueue: workflows.TaskQueue}, name, workflows.Input{})
			require.NoError(t, err)
		}
		out, errs := awaitReplay(t, 3, `(?s)OrderFulfillment +1 +0 +1 +0 +0 +0 +1 +0\n.*OrderRetired +1 +0 +0 +0 +0 +0 +1 +0\n`)
		require.Regexp(t, `(?m)^OrderFulfillment +\S+ +non-determinism +\S`, out)
		require.Regexp(t, `(?m)^OrderRetired +\S+ +unknown-type +this build has no workflow type OrderRetired`, out)
		require.Equal(t, "replay: this build cannot continue 2 workflows\n", errs)
	})
	for name, test := range map[string]struct {
		args   []string
		stderr string
	}{
		"a query that the server rejects": {[]string{"--query", "OrderStatus = "}, "--query: "},
		"no sample":                       {[]string{"--sample", "0"}, "--sample: must be from 1 to 10000"},
		"no time":                         {[]string{"--timeout", "1ms"}, "--timeout: must be from 1s to 6h"},
		"an argument":                     {[]string{"now"}, "arguments: replay takes no arguments"},
	} {
		t.Run("exits with 2 for "+name, func(t *testing.T) {
			_, errs, code := runReplay(t, test.args...)
			require.Equal(t, 2, code)
			require.Contains(t, errs, test.stderr)
		})
	}
	t.Run("exits with 1 in an outage", func(t *testing.T) {
		t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
		out, errs, code := runReplay(t)
		require.Equal(t, 1, code)
		require.Empty(t, out)
		require.Contains(t, errs, "connect to Temporal")
	})
}
