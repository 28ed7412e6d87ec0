package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/activities"
	"orderflow/internal/config"
	"orderflow/internal/reconcile"
	"orderflow/workflows"
)

func TestNewPools_Deployment(t *testing.T) {
	t.Parallel()
	c, err := client.NewLazyClient(client.Options{})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	loaded, err := config.Load[settings]([]string{"KURRENTDB_URL=x", "POSTGRES_URL=x", "EMAIL_FROM=x"})
	require.NoError(t, err)
	versioned := loaded
	versioned.Deployment.Name, versioned.Deployment.BuildID = "orderflow", "1"
	for _, s := range []settings{loaded, versioned} {
		require.NotPanics(t, func() { newPools(c, hosted{orders: &activities.Activities{}}, s, func(error) {}) })
		s.Tuning.Queues = config.Queues{config.ReconcileQueue}
		require.NotPanics(t, func() {
			newPools(c, hosted{orders: &activities.Activities{}, reconciler: &activities.Reconciler{}}, s, func(error) {})
		})
	}
}

func TestQueues(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{workflows.TaskQueue, workflows.EmailTaskQueue, workflows.ReconcileTaskQueue},
		[]string{config.OrderQueue, config.EmailQueue, config.ReconcileQueue})
	comparing := config.Worker{Queues: config.Queues{config.ReconcileQueue}}
	require.Greater(t, int(comparing.Connections()), reconcile.Lookups, "a connection for each lookup, and some for health checks")
}
