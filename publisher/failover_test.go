package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

// The database's address points to a standby for a while and back. The connections to the
// standby stay open.
func TestPublisher_FailoverAndBack(t *testing.T) {
	t.Parallel()
	primary, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Fast: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = primary.Stop(t.Context()) })
	rig := newRigOnServer(t, primary.URL)
	standby, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Fast: true, StandbyOf: primary.URL})
	require.NoError(t, err)
	t.Cleanup(func() { _ = standby.Stop(t.Context()) })
	proxy, through := startProxy(t, primary.URL)
	rig.url = through
	p := rig.publish()
	p.awaitPhase(phaseStream)
	rig.approve("order-1")
	rig.awaitTypes("order-1", "order-approved")

	proxy.PointTo(hostOf(t, standby.URL))
	proxy.Cut()
	rig.ship("order-1")
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.Error(c, p.ready(t.Context()))
		require.Error(c, p.pool.Ping(t.Context()))
		require.Error(c, p.state.DeleteCheckpoint(t.Context(), "nobody"))
	}, waitLong, waitTick)
	proxy.PointTo(hostOf(t, primary.URL))

	rig.awaitTypes("order-1", "order-approved", "order-shipped")
	p.awaitPhase(phaseStream)
	require.NoError(t, p.pool.Ping(t.Context()))
}
