package main

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/faultproxy"
)

// way is the way to the event store, which can be shut.
type way struct {
	t *testing.T
	*faultproxy.Proxy
}

// behindProxy puts a proxy between publishers that start from now on and the event store.
func (w *world) behindProxy() way {
	w.t.Helper()
	d, err := faultproxy.Start(hostOf(w.t, w.kurrentDB))
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, d.Close()) })
	address, err := url.Parse(w.kurrentDB)
	require.NoError(w.t, err)
	direct := w.events
	address.Host = d.Addr()
	w.use(address.String())
	w.throughProxy, w.events = w.events, direct // what looks behind the publisher does not go through the proxy
	return way{w.t, d}
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	return parsed.Host
}

// shut lets nothing through any more, not even to be refused: calls end by their own deadline.
func (d way) shut() {
	d.Stall(faultproxy.Upstream)
	d.Stall(faultproxy.Downstream)
}

func (d way) open() { d.Resume() }
