package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/activities"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/reconcile"
	"orderflow/workflows"
)

// The variables of a process of this test's program that compares until it is killed.
const (
	killedAt        = "ORDERFLOW_TEST_KILLED_AT" // the order whose lookup never ends
	killedNamespace = "ORDERFLOW_TEST_NAMESPACE"
	killedKeys      = "ORDERFLOW_TEST_KEYS"
	killedEvents    = "ORDERFLOW_TEST_KURRENTDB"
	killedDatabase  = "ORDERFLOW_TEST_POSTGRES"
)

// A worker that is killed saves nothing and reports nothing. The next attempt begins at the
// last heartbeat that the server has.
func TestReconciliation_Killed(t *testing.T) {
	s := newComparedStores(t)
	placed := s.place(5)
	orders := startWorker(t, "PAYLOAD_KEYS_FILE="+s.keys, "KURRENTDB_ALLOW_PLAINTEXT=", "KURRENTDB_URL="+s.events.URLFor("worker"), "POSTGRES_URL="+s.database)
	run, err := s.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: "reconcile-by-hand", TaskQueue: workflows.ReconcileTaskQueue,
	}, workflows.ReconciliationType, workflows.ReconciliationInput{Fix: true})
	require.NoError(t, err)
	process := s.compareInProcess(placed[3])
	attempt := s.awaitSaved(run, 3)
	require.NoError(t, process.Process.Signal(syscall.SIGKILL))
	var exit *exec.ExitError
	require.ErrorAs(t, process.Wait(), &exit)
	// What the server does when the heartbeat timeout of two minutes is over.
	require.NoError(t, s.temporal.CompleteActivityByID(t.Context(), s.namespace, run.GetID(), run.GetRunID(), attempt, nil, errors.New("no heartbeat")))

	rows := &watchedRows{}
	hosting := s.host(rows)
	defer hosting.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), longEnough)
	defer cancel()
	var found activities.Reconciled
	require.NoError(t, run.Get(ctx, &found))
	require.Equal(t, []int{5, 5, 0}, []int{found.Checked, found.Found["missing"], found.Left["missing"]})
	var want []activities.ReconciledOrder
	for _, id := range placed {
		want = append(want, activities.ReconciledOrder{OrderID: id, Kind: "missing", Fixed: true})
		described, err := s.temporal.DescribeWorkflow(ctx, id, "")
		require.NoError(t, err)
		require.Equal(t, described.WorkflowExecution.RunID, described.RawResponse.GetWorkflowExecutionInfo().GetFirstRunId(), "started once")
	}
	require.ElementsMatch(t, want, found.Differences, "each once")
	require.NotContains(t, placed[:3], rows.resumed()[0], "the killed attempt had saved them")
	require.NoError(t, orders.Stop())
}

// compareInProcess compares in a process of its own, and returns when that looks up an
// order.
func (s *comparedStores) compareInProcess(at string) *exec.Cmd {
	s.t.Helper()
	process := exec.CommandContext(s.t.Context(), os.Args[0])
	process.Env = append(os.Environ(), killedAt+"="+at, killedNamespace+"="+s.namespace, killedKeys+"="+s.keys,
		killedEvents+"="+s.events.URLFor("reconcile"), killedDatabase+"="+s.database)
	var failed strings.Builder
	process.Stderr = &failed
	out, err := process.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, process.Start())
	reached, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(s.t, err, "%s", &failed)
	require.Equal(s.t, at+"\n", reached)
	return process
}

// awaitSaved waits until the server has a heartbeat with as many checked orders, and
// returns the id of the activity.
func (s *comparedStores) awaitSaved(run client.WorkflowRun, checked int) (id string) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		described, err := s.temporal.DescribeWorkflow(s.t.Context(), run.GetID(), run.GetRunID())
		require.NoError(c, err)
		require.Len(c, described.RawResponse.GetPendingActivities(), 1)
		pending := described.RawResponse.GetPendingActivities()[0]
		var saved reconcile.Progress
		require.NotNil(c, pending.GetHeartbeatDetails())
		require.NoError(c, s.converter.FromPayloads(pending.GetHeartbeatDetails(), &saved))
		require.Equal(c, checked, saved.Counts.Checked)
		id = pending.GetActivityId()
	}, longEnough, 50*time.Millisecond)
	return id
}

// compareUntilKilled runs a worker whose comparison never gets beyond an order. It prints
// the order's id when it has come to it.
func compareUntilKilled(at string) error {
	ctx := context.Background()
	temporal, _, err := openEncrypted(ctx, nil, os.Getenv(killedNamespace), os.Getenv(killedKeys))
	if err != nil {
		return err
	}
	events, err := kurrent.Open(kurrent.Config{URL: os.Getenv(killedEvents), CallTimeout: storeTimeout})
	if err != nil {
		return err
	}
	pool, err := postgres.Open(ctx, postgres.Config{URL: os.Getenv(killedDatabase), MaxConns: 4})
	if err != nil {
		return err
	}
	rows := &watchedRows{Rows: postgres.NewFulfillments(pool, postgres.EmailRules{}), at: at, interrupt: func(context.Context) error {
		_, _ = fmt.Fprintln(os.Stdout, at)
		select {}
	}}
	hosting, err := hostComparison(temporal, events, rows)
	if err != nil {
		return err
	}
	if err := hosting.Start(); err != nil {
		return err
	}
	select {}
}
