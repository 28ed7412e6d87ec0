package kurrent_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

// Followers name a leading node that is gone, as until they have noticed. The official
// client leaks a connection at each redirect to it, so calls must not cause many: without
// the pool's pause, each would cause two.
func TestPool_RedirectToNodeThatIsGone(t *testing.T) {
	t.Parallel()
	cluster := kurrentsimtest.StartCluster(t, 2)
	client := kurrentsimtest.OpenClient(t, cluster.URL())
	awaitPing(t, client)
	cluster.Stop(1)
	cluster.Elect(1)
	before := cluster.Served(0, "Streams/Read")
	const calls = 30 // of 200 ms at most
	for range calls {
		require.ErrorIs(t, pingBriefly(t, client), kurrent.ErrUnavailable)
	}
	require.Less(t, cluster.Served(0, "Streams/Read")-before, calls)

	cluster.Elect(0)
	awaitPing(t, client)
}
