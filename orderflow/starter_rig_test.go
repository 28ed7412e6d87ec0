package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/dev/startertest"
)

const waitTick = 10 * time.Millisecond

// starterRig is a starter on its own KurrentDB simulator and the namespace without a
// worker, and an operator.
type starterRig struct {
	*startertest.Starter
	t   *testing.T
	url string // where the operator's commands find KurrentDB
}

func newStarterRig(t *testing.T) *starterRig {
	t.Helper()
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	return newStarterRigOn(t, server.URL())
}

// newStarterRigOn returns a rig on a running server. The variables are the starter's.
func newStarterRigOn(t *testing.T, url string, environ ...string) *starterRig {
	t.Helper()
	environ = append(environ, "TEMPORAL_NAMESPACE="+waitingNamespace)
	return &starterRig{Starter: startertest.New(t, shared.starter, url, environ...), t: t, url: url}
}

// commandResult is the output and error of a command.
type commandResult struct {
	stdout, stderr string
	err            error
}

// orderflow runs a command alongside the starter, on the same KurrentDB, without a
// terminal.
func (b *starterRig) orderflow(args ...string) commandResult {
	b.t.Helper()
	devNull, err := os.Open(os.DevNull)
	require.NoError(b.t, err)
	defer devNull.Close()
	return b.orderflowAt(b.t.Context(), devNull, args...)
}

func (b *starterRig) orderflowAt(ctx context.Context, stdin *os.File, args ...string) commandResult {
	b.t.Helper()
	var stdout, stderr bytes.Buffer
	err := b.command(ctx, stdin, &stdout, &stderr, args...)
	return commandResult{stdout.String(), stderr.String(), err}
}

func (b *starterRig) command(ctx context.Context, stdin *os.File, stdout, stderr io.Writer, args ...string) error {
	c := cli{
		args: args, environ: []string{"KURRENTDB_URL=" + b.url, "KURRENTDB_ALLOW_PLAINTEXT=true"},
		stdin: stdin, stdout: stdout, stderr: stderr,
	}
	return c.run(ctx)
}

// admin is the official client, for operations that the product never performs.
func (b *starterRig) admin() *kurrentdb.Client {
	b.t.Helper()
	return kurrentsimtest.OfficialClient(b.t, b.URL)
}

// signals counts the signals in a workflow's history.
func (b *starterRig) signals(workflowID string) int {
	b.t.Helper()
	n := 0
	history := shared.waiting.GetWorkflowHistory(b.t.Context(), workflowID, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		require.NoError(b.t, err)
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED {
			n++
		}
	}
	return n
}
