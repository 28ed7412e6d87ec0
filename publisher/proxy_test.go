package main

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/faultproxy"
)

// stoppableProxy is a proxy to the event store that can be stalled.
type stoppableProxy struct {
	t *testing.T
	*faultproxy.Proxy
}

// useProxy puts a proxy between the event store and publishers started from now on.
func (rig *publisherRig) useProxy() stoppableProxy {
	rig.t.Helper()
	p, err := faultproxy.Start(hostOf(rig.t, rig.kurrentDB))
	require.NoError(rig.t, err)
	rig.t.Cleanup(func() { require.NoError(rig.t, p.Close()) })
	address, err := url.Parse(rig.kurrentDB)
	require.NoError(rig.t, err)
	direct := rig.events
	address.Host = p.Addr()
	rig.useEventStore(address.String())
	rig.throughProxy, rig.events = rig.events, direct // the test's own client does not use the proxy
	return stoppableProxy{rig.t, p}
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	return parsed.Host
}

// stall stops all traffic without refusing connections: calls end by their own deadline.
func (p stoppableProxy) stall() {
	p.Stall(faultproxy.Upstream)
	p.Stall(faultproxy.Downstream)
}

func (p stoppableProxy) resume() { p.Resume() }
