package main

import (
	"strings"
	"testing"
	"time"

	"orderflow/internal/routes"

	"github.com/stretchr/testify/require"
)

// newRelayedRig returns a rig with a relay between the bridge and its KurrentDB.
func newRelayedRig(t *testing.T) (*bridgeRig, *relay) {
	t.Helper()
	b := newBridgeRig(t)
	address := strings.TrimPrefix(b.url, "kurrentdb://")
	address, _, _ = strings.Cut(address, "?")
	between := startRelay(t, address)
	b.use(between.url)
	return b, between
}

func TestWatch_SilentSubscription(t *testing.T) {
	t.Parallel()
	b, between := newRelayedRig(t)
	b.bridge.probeEvery = 100 * time.Millisecond
	b.run()
	b.awaitJoined()
	between.set(func() { between.mute = true })
	id := newOrderID()
	b.append(id, placedEvent(id))
	require.Eventually(t, func() bool { return between.count(subscribing) > 1 }, longEnough, time.Millisecond)
	between.set(func() { between.mute = false })
	b.awaitCounts(map[routes.Result]int{routes.Started: 1, routes.Parked: 0})
}

func TestWatch_IdleSubscription(t *testing.T) {
	t.Parallel()
	b, between := newRelayedRig(t)
	stop := b.run()
	id := newOrderID()
	b.append(id, placedEvent(id))
	b.awaitCounts(map[routes.Result]int{routes.Started: 1})
	require.Eventually(t, func() bool { // the checkpoint is written once a second
		info, err := b.events.GroupInfo(t.Context(), "$ce-order", "fulfillment")
		return err == nil && info.Lag == 0
	}, longEnough, waitTick)
	stop()
	b.bridge.probeEvery = 50 * time.Millisecond
	asked := between.count(asking)
	b.run()
	require.Eventually(t, func() bool { return between.count(asking) > asked+20 }, longEnough, time.Millisecond)
	require.Equal(t, 2, between.count(subscribing))
	require.True(t, b.bridge.joined.Load())
}

func TestWatch_AccessDenied(t *testing.T) {
	t.Parallel()
	b, between := newRelayedRig(t)
	b.bridge.probeEvery = 20 * time.Millisecond
	stop := b.run()
	b.awaitJoined()
	stop()
	between.set(func() { between.denied, between.mute = asking, true })
	joined := between.count(subscribing)
	b.run()
	id := newOrderID()
	b.append(id, placedEvent(id))
	require.Eventually(t, func() bool { return between.count(subscribing) > joined+1 }, longEnough, time.Millisecond)
	between.set(func() { between.mute = false })
	b.awaitCounts(map[routes.Result]int{routes.Started: 1})
}
