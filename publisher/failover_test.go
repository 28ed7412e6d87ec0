package main

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/faultproxy"
)

// The name of the database leads to a standby for a while and back, and nothing ends the connections to the standby.
func TestPublisherOverAFailoverAndBack(t *testing.T) {
	t.Parallel()
	primary, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Fast: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = primary.Stop(t.Context()) })
	w := lonelyWorld(t, primary.URL)
	standby, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Fast: true, StandbyOf: primary.URL})
	require.NoError(t, err)
	t.Cleanup(func() { _ = standby.Stop(t.Context()) })
	name, err := faultproxy.Start(hostOf(t, primary.URL))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, name.Close()) })
	address, err := url.Parse(primary.URL)
	require.NoError(t, err)
	address.Host = name.Addr()
	w.url = address.String()
	p := w.publish()
	p.awaitPhase(phaseStream)
	w.approve("order-1")
	w.awaitTypes("order-1", "order-approved")

	name.PointTo(hostOf(t, standby.URL))
	name.Cut()
	w.ship("order-1")
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.Error(c, p.ready(t.Context()))
		require.Error(c, p.store.Ping(t.Context()))
		require.Error(c, p.store.ForgetMark(t.Context(), "nobody"))
	}, waitLong, waitTick)
	name.PointTo(hostOf(t, primary.URL))

	w.awaitTypes("order-1", "order-approved", "order-shipped")
	p.awaitPhase(phaseStream)
	require.NoError(t, p.store.Ping(t.Context()))
}
