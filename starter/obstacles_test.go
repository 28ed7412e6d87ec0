package main

import (
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/bridge"
	"orderflow/dev/kurrentsim/kurrentsimtest"
)

// Obstacles, as the metric names them.
const (
	obstacleGroup      = "group"
	obstacleProjection = "projection"
	obstacleNamespace  = "namespace"
	obstacleCodec      = "codec"
)

// admin is the official client, for operations that the product never performs.
func (b *bridgeRig) admin() *kurrentdb.Client {
	b.t.Helper()
	return kurrentsimtest.OfficialClient(b.t, b.url)
}

// goodGroup returns the minimum settings that a group needs.
func goodGroup() *kurrentdb.PersistentSubscriptionSettings {
	settings := kurrentdb.SubscriptionSettingsDefault()
	settings.ResolveLinkTos, settings.MaxRetryCount, settings.MessageTimeout = true, 1_000_000, 60_000
	return &settings
}

func (b *bridgeRig) awaitBlocked(by, reason string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return b.blocked(by) && !b.joined() }, longEnough, waitTick)
	require.ErrorContains(b.t, b.bridge.Ready(b.t.Context()), reason)
}

func (b *bridgeRig) blocked(by string) bool {
	return b.meter.Value("orderflow_bridge_blocked", by) == 1
}

func (b *bridgeRig) awaitReady() {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return b.bridge.Ready(b.t.Context()) == nil }, longEnough, waitTick)
}

func TestCheckGroup_LosesEvents(t *testing.T) {
	t.Parallel()
	b, id := newBridgeRig(t), newOrderID()
	admin, loses := b.admin(), goodGroup()
	loses.ResolveLinkTos = false
	err := admin.CreatePersistentSubscription(t.Context(), "$ce-order", "fulfillment",
		kurrentdb.PersistentStreamSubscriptionOptions{Settings: loses, StartFrom: kurrentdb.Start{}})
	require.NoError(t, err)
	b.append(id, placedEvent(id))
	b.run()
	b.awaitBlocked(obstacleGroup, "resolveLinkTos is false, want true: links are delivered in place of events")

	err = admin.DeletePersistentSubscription(t.Context(), "$ce-order", "fulfillment", kurrentdb.DeletePersistentSubscriptionOptions{})
	require.NoError(t, err)
	b.awaitReady()
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 1, bridge.Ignored: 0})
	require.False(t, b.blocked(obstacleGroup))
}

func TestInspect_ChangedGroup(t *testing.T) {
	t.Parallel()
	b, id := newBridgeRig(t), newOrderID()
	b.options.InspectInterval = 20 * time.Millisecond
	b.run()
	b.awaitJoined()
	admin := b.admin()
	update := func(change func(*kurrentdb.PersistentSubscriptionSettings)) {
		settings := goodGroup()
		change(settings)
		err := admin.UpdatePersistentSubscription(t.Context(), "$ce-order", "fulfillment",
			kurrentdb.PersistentStreamSubscriptionOptions{Settings: settings, StartFrom: kurrentdb.Start{}})
		require.NoError(t, err)
	}
	update(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MaxRetryCount = 10 })
	b.awaitBlocked(obstacleGroup, "maxRetryCount is 10")
	b.append(id, placedEvent(id))
	update(func(*kurrentdb.PersistentSubscriptionSettings) {})
	b.awaitReady()
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 1})
}
