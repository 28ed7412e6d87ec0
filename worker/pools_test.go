package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/activities"
	"orderflow/internal/config"
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
		require.NotPanics(t, func() { newPools(c, &activities.Activities{}, s, func(error) {}) })
	}
}

func TestQueues(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{workflows.TaskQueue, workflows.EmailTaskQueue}, []string{config.OrderQueue, config.EmailQueue})
}
