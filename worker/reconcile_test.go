package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/activities"
	"orderflow/workflows"
)

// A worker of this queue alone has users of its own, which may write nothing.
func TestReconciliation_Schedule(t *testing.T) {
	s := newComparedStores(t)
	s.place(3)
	s.exec(`INSERT INTO order_fulfillment (order_id, customer_id, status, total_minor, currency, source_event_id, placed_at)
		VALUES ('order-never-placed', 'customer-7', 'fulfilling', 24200, 'USD', 'e', now())`)
	handle := s.schedule()
	d := startWorker(t, "PAYLOAD_KEYS_FILE="+s.keys, "WORKER_QUEUES=order-reconcile", "EMAIL_FROM=", "KURRENTDB_ALLOW_PLAINTEXT=",
		"KURRENTDB_URL="+s.events.URLFor("reconcile"), "POSTGRES_URL="+s.role())
	require.JSONEq(t, `{"worker":"ok","temporal":"ok","postgres":"ok","kurrentdb":"ok"}`, d.Await("/readyz", http.StatusOK))
	require.NoError(t, handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	run := started(t, handle, 1).StartWorkflowResult

	ctx, cancel := context.WithTimeout(t.Context(), longEnough)
	defer cancel()
	var found activities.Reconciled
	require.NoError(t, s.temporal.GetWorkflow(ctx, run.WorkflowID, run.FirstExecutionRunID).Get(ctx, &found))
	none := map[string]int{
		"missing": 0, "extra": 1, "held": 0, "lost": 0, "conflict": 0, "stuck": 0, "undelivered": 0, "unreserved": 0, "unlinked": 0,
	}
	require.Equal(t, activities.Reconciled{
		Young: 3, Found: none, Left: none, // the user may not read the parked events
		Differences: []activities.ReconciledOrder{{OrderID: "order-never-placed", Kind: "extra"}},
	}, found)

	gate, err := s.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: workflows.ReconcileTaskQueue}, workflows.DeploymentGateType)
	require.NoError(t, err)
	var checked activities.CheckedStores
	require.NoError(t, gate.Get(ctx, &checked))
	require.Equal(t, activities.CheckedStores{"postgres": "ok", "kurrentdb": "ok"}, checked)
	require.NoError(t, d.Stop())
	require.NotContains(t, d.Log(), "permission denied")

	metrics := startWorker(t, "PAYLOAD_KEYS_FILE="+s.keys, "KURRENTDB_ALLOW_PLAINTEXT=", "KURRENTDB_URL="+s.events.URLFor("worker"), "POSTGRES_URL="+s.database)
	metrics.Await("/metrics", http.StatusOK, `orderflow_reconcile_differences{kind="extra"} 1`, `orderflow_reconcile_differences{kind="missing"} 0`,
		"orderflow_reconcile_completed_timestamp_seconds 1.")
	require.NoError(t, metrics.Stop())
}

// Without a worker, one run waits, and no other is started.
func TestReconciliation_Overlap(t *testing.T) {
	s := newComparedStores(t)
	handle := s.schedule()
	require.NoError(t, handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	started(t, handle, 1)
	require.NoError(t, handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		described, err := handle.Describe(t.Context())
		require.NoError(c, err)
		require.Equal(c, []int{1, 1}, []int{described.Info.NumActionsSkippedOverlap, len(described.Info.RunningWorkflows)})
	}, longEnough, 50*time.Millisecond)
}

func TestReconciliation_Resume(t *testing.T) {
	t.Run("after an attempt that failed", func(t *testing.T) {
		s := newComparedStores(t)
		placed := s.place(5)
		rows := &watchedRows{at: placed[3], interrupt: func(context.Context) error { return errors.New("connection refused") }}
		hosting := s.host(rows)
		defer hosting.Stop()
		s.requireCompared(s.compare(), placed, rows)
	})
	t.Run("on another worker, after the first was stopped", func(t *testing.T) {
		s := newComparedStores(t)
		placed := s.place(5)
		reached := make(chan struct{})
		hosting := s.host(&watchedRows{at: placed[3], interrupt: stall(reached)})
		run := s.compare()
		<-reached
		hosting.Stop()
		rows := &watchedRows{}
		next := s.host(rows)
		defer next.Stop()
		s.requireCompared(run, placed, rows)
	})
}

func TestReconciliation_Cancel(t *testing.T) {
	s := newComparedStores(t)
	placed := s.place(3)
	reached := make(chan struct{})
	hosting := s.host(&watchedRows{at: placed[1], endless: sync.OnceFunc(func() { close(reached) })})
	defer hosting.Stop()
	run := s.compare()
	<-reached
	require.NoError(t, s.temporal.CancelWorkflow(t.Context(), run.GetID(), ""))
	var canceled *temporal.CanceledError
	require.ErrorAs(t, run.Get(t.Context(), nil), &canceled)
}

func TestReconciliation_InvalidInput(t *testing.T) {
	s := newComparedStores(t)
	hosting := s.host(&watchedRows{})
	defer hosting.Stop()
	run, err := s.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: workflows.ReconcileTaskQueue},
		workflows.ReconciliationType, workflows.ReconciliationInput{WindowSeconds: -1})
	require.NoError(t, err)
	require.ErrorContains(t, run.Get(t.Context(), nil), "windowSeconds: must be from 0 to ")
}
