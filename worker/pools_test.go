package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/activities"
)

func TestNewPools_Deployment(t *testing.T) {
	t.Parallel()
	c, err := client.NewLazyClient(client.Options{})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	var versioned settings
	versioned.Deployment.Name, versioned.Deployment.BuildID = "orderflow", "1"
	for _, s := range []settings{{}, versioned} {
		require.NotPanics(t, func() { newPools(c, &activities.Activities{}, s, func(error) {}) })
	}
}

// Each slot holds at most one connection at a time, so none waits for another's, and
// orders stuck at a lock never keep an email from its ledger.
func TestPoolConnections(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, poolConnections, storeSlots+emailSlots)
}
