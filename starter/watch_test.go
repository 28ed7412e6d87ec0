package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/bridge"
	"orderflow/dev/faultproxy"
)

// Methods of KurrentDB's persistent subscriptions.
const (
	subscribing = "PersistentSubscriptions/Read"
	asking      = "PersistentSubscriptions/GetInfo"
)

// newRelayedRig returns a rig with a relay between the bridge and its KurrentDB.
func newRelayedRig(t *testing.T) (*bridgeRig, *faultproxy.Relay) {
	t.Helper()
	b := newBridgeRig(t)
	address, _, _ := strings.Cut(strings.TrimPrefix(b.url, "kurrentdb://"), "?")
	between, err := faultproxy.StartRelay(address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, between.Close()) })
	b.use("kurrentdb://" + between.Addr() + "?tls=false")
	return b, between
}

func TestWatch_SilentSubscription(t *testing.T) {
	t.Parallel()
	b, between := newRelayedRig(t)
	b.options.ProbeInterval = time.Second // a session outlasts the second after which the server delivers again
	b.run()
	b.awaitJoined()
	between.Mute(subscribing)
	id := newOrderID()
	b.append(id, placedEvent(id))
	require.Eventually(t, func() bool { return between.Count(subscribing) > 1 }, longEnough, time.Millisecond)
	between.Unmute(subscribing)
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 1, bridge.Parked: 0})
}

func TestWatch_IdleSubscription(t *testing.T) {
	t.Parallel()
	b, between := newRelayedRig(t)
	stop := b.run()
	id := newOrderID()
	b.append(id, placedEvent(id))
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 1})
	require.Eventually(t, func() bool { // the checkpoint is written once a second
		info, err := b.events.GroupInfo(t.Context(), "$ce-order", "fulfillment")
		return err == nil && info.Lag == 0
	}, longEnough, waitTick)
	stop()
	b.options.ProbeInterval = 50 * time.Millisecond
	asked := between.Count(asking)
	b.run()
	require.Eventually(t, func() bool { return between.Count(asking) > asked+20 }, longEnough, time.Millisecond)
	require.Equal(t, 2, between.Count(subscribing))
	require.True(t, b.joined())
}

func TestWatch_AccessDenied(t *testing.T) {
	t.Parallel()
	b, between := newRelayedRig(t)
	b.options.ProbeInterval = 200 * time.Millisecond // ten of them outlast the second after which the server delivers again
	stop := b.run()
	b.awaitJoined()
	stop()
	between.Handle(asking, func(func() error) error { return status.Error(codes.PermissionDenied, "denied") })
	between.Mute(subscribing)
	joined := between.Count(subscribing)
	b.run()
	id := newOrderID()
	b.append(id, placedEvent(id))
	require.Eventually(t, func() bool { return between.Count(subscribing) > joined+1 }, longEnough, time.Millisecond)
	between.Unmute(subscribing)
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 1})
}
