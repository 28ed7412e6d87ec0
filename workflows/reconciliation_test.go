package workflows_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"orderflow/activities"
	"orderflow/workflows"
)

func TestReconciliation(t *testing.T) {
	t.Parallel()
	o := newOrderOnServer(t)
	o.id = "reconcile-" + o.id
	parked := 1
	want := activities.Reconciled{
		Checked: 12, Young: 1, Found: map[string]int{"missing": 1}, Left: map[string]int{"missing": 1}, Parked: &parked,
		Differences: []activities.ReconciledOrder{{OrderID: "order-7", Kind: "missing"}},
	}
	var mu sync.Mutex
	var asked []activities.ReconcileInput
	o.worker = worker.New(o.client, workflows.ReconcileTaskQueue, worker.Options{})
	workflows.RegisterReconciliation(o.worker)
	o.worker.RegisterActivityWithOptions(func(_ context.Context, in activities.ReconcileInput) (activities.Reconciled, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, in)
		return want, nil
	}, activity.RegisterOptions{Name: "Reconcile"})
	require.NoError(t, o.worker.Start())
	ctx, cancel := context.WithTimeout(t.Context(), serverTimeout)
	defer cancel()
	for _, input := range [][]any{{}, {workflows.ReconciliationInput{WindowSeconds: 3600, Fix: true}}} {
		run, err := o.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: o.id, TaskQueue: workflows.ReconcileTaskQueue},
			workflows.ReconciliationType, input...)
		require.NoError(t, err)
		var got activities.Reconciled
		require.NoError(t, run.Get(ctx, &got))
		require.Equal(t, want, got)
	}
	require.Len(t, asked, 2)
	require.Nil(t, asked[0].Since)
	require.False(t, asked[0].Fix, "it only reports")
	require.Equal(t, time.Hour, asked[1].At.Sub(*asked[1].Since))
	require.True(t, asked[1].Fix)
	o.recordAs("reconciliation", "")
}
