package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"orderflow/bridge"
	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/faultproxy"
	"orderflow/dev/kurrentsim"
)

// throughProxy makes the bridge reach Temporal through a fault proxy.
func (b *bridgeRig) throughProxy() *faultproxy.Proxy {
	b.t.Helper()
	proxy := startProxy(b.t, servers.Temporal(b.t))
	temporal, err := client.DialContext(b.t.Context(), client.Options{HostPort: proxy.Addr(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b.t, err)
	b.t.Cleanup(temporal.Close)
	b.options.Router.Temporal = temporal
	return proxy
}

func TestBridge_TemporalUnavailable(t *testing.T) {
	t.Parallel()
	b := newBridgeRig(t)
	proxy := b.throughProxy()
	b.options.HoldTimeout = 500 * time.Millisecond
	b.run()
	b.awaitJoined()

	proxy.Refuse()
	const orders = 20
	var ids []string
	for range orders {
		id := newOrderID()
		b.append(id, placedEvent(id))
		ids = append(ids, id)
	}
	require.Eventually(t, func() bool { return !b.joined() }, longEnough, waitTick,
		"the bridge returns the events it cannot deliver")
	proxy.Resume()
	// It may return them once more, and a workflow started then is a duplicate at the
	// redelivery.
	require.Eventually(t, func() bool { return b.count(bridge.Started)+b.count(bridge.Duplicate) >= orders }, longEnough, waitTick)
	for _, id := range ids {
		require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, b.status(id))
	}
	require.Zero(t, b.count(bridge.Parked))
	require.Empty(t, b.parked(t))
}

func TestBridge_KurrentDBRestart(t *testing.T) {
	t.Parallel()
	b := newBridgeRig(t)
	dir := t.TempDir()
	server, err := kurrentsim.Start(kurrentsim.Options{DataDir: dir, Listen: devservertest.Address(t)})
	require.NoError(t, err)
	b.use(server.URL())
	before := newOrderID()
	b.append(before, placedEvent(before))
	b.run()
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 1})

	require.NoError(t, server.Stop(context.Background()))
	require.Eventually(t, func() bool { return !b.joined() }, longEnough, waitTick)
	address := server.Addr()
	require.Eventually(t, func() bool { // a process that another test starts may have inherited the listener
		server, err = kurrentsim.Start(kurrentsim.Options{DataDir: dir, Listen: address})
		return err == nil
	}, longEnough, waitTick)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	after := newOrderID()
	require.Eventually(t, func() bool { return b.events.Ping(t.Context()) == nil }, longEnough, waitTick)
	b.append(after, placedEvent(after))
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 2, bridge.Parked: 0})
}

func TestBridge_Drain(t *testing.T) {
	t.Parallel()
	b := newBridgeRig(t)
	proxy := b.throughProxy()
	b.options.HoldTimeout, b.options.DrainTimeout = longEnough, longEnough
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	b.prepare()
	go func() { ended <- b.bridge.Run(ctx) }()
	b.awaitJoined()
	proxy.Stall()
	const orders = 200
	for range orders {
		id := newOrderID()
		b.append(id, placedEvent(id))
	}
	require.Eventually(t, func() bool { return inFlight(b) == b.options.Concurrency }, longEnough, time.Millisecond)

	cancel()
	proxy.Resume()

	require.NoError(t, <-ended)
	finished := b.count(bridge.Started) + b.count(bridge.Duplicate) // a start whose response took too long is retried
	require.GreaterOrEqual(t, finished, b.options.Concurrency, "it finishes the events in flight")
	require.Less(t, finished, orders, "it stops taking events before it has taken all")
	b.run() // an acknowledgement lost with the connection causes a redelivery
	require.Eventually(t, func() bool {
		info, err := b.events.GroupInfo(t.Context(), "$ce-order", "fulfillment")
		return err == nil && info.Lag == 0 && info.InFlight == 0
	}, longEnough, waitTick)
	require.GreaterOrEqual(t, b.count(bridge.Started)+b.count(bridge.Duplicate), orders)
	require.Zero(t, b.count(bridge.Parked))
}
