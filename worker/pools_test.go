package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/activities"
)

func TestWorkersCanBeMadeWithAndWithoutADeployment(t *testing.T) {
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
