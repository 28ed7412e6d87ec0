package main

import (
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
	"orderflow/internal/routes"
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
	require.Eventually(b.t, func() bool { return b.blocked(by) && !b.bridge.joined.Load() }, longEnough, waitTick)
	require.ErrorContains(b.t, b.bridge.ready(b.t.Context()), reason)
}

func (b *bridgeRig) blocked(by string) bool {
	return testutil.ToFloat64(b.bridge.metrics.blocked.WithLabelValues(by)) == 1
}

func (b *bridgeRig) awaitReady() {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return b.bridge.ready(b.t.Context()) == nil }, longEnough, waitTick)
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
	b.awaitCounts(map[routes.Result]int{routes.Started: 1, routes.Ignored: 0})
	require.False(t, b.blocked(obstacleGroup))
}

func TestInspect_ChangedGroup(t *testing.T) {
	t.Parallel()
	b, id := newBridgeRig(t), newOrderID()
	b.bridge.inspectEvery = 20 * time.Millisecond
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
	b.awaitCounts(map[routes.Result]int{routes.Started: 1})
}

// A server that keeps consumers when their group changes leaves it to the bridge to
// notice.
func TestInspect_GroupLosesEvents(t *testing.T) {
	t.Parallel()
	b := newBridgeRig(t)
	b.bridge.inspectEvery = 10 * time.Millisecond
	loses := goodGroup()
	loses.MessageTimeout = 1_000
	err := b.admin().CreatePersistentSubscription(t.Context(), "$ce-order", "fulfillment",
		kurrentdb.PersistentStreamSubscriptionOptions{Settings: loses, StartFrom: kurrentdb.Start{}})
	require.NoError(t, err)
	var cause error
	b.bridge.inspect(t.Context(), func(err error) { cause = err })
	require.ErrorIs(t, cause, errBlocked)
	require.ErrorContains(t, b.bridge.ready(t.Context()), "messageTimeout is 1s")
}

func TestBridgeReady(t *testing.T) {
	t.Parallel()
	b, id := newBridgeRig(t), newOrderID()
	b.startByHand(id, "SomethingElse")
	refused := func() { b.bridge.obstacles.set(obstacleRefusal, "denied", b.bridge.metrics, b.bridge.logger) }
	b.run()
	b.awaitJoined()
	t.Run("is not restored by an event parked without asking Temporal", func(t *testing.T) {
		refused()
		unread := placedEvent(newOrderID())
		unread.Data = []byte("{}")
		b.append(newOrderID(), unread)
		b.awaitCounts(map[routes.Result]int{routes.Parked: 1})
		require.ErrorContains(t, b.bridge.ready(t.Context()), "refusal: denied")
	})
	t.Run("is restored by an event that was parked after Temporal replied", func(t *testing.T) {
		refused()
		b.append(id, placedEvent(id))
		b.awaitCounts(map[routes.Result]int{routes.Parked: 2})
		b.awaitReady()
		require.False(t, b.blocked(obstacleRefusal))
	})
}

func TestResolve_DeliveredLink(t *testing.T) {
	t.Parallel()
	b, id := newBridgeRig(t), newOrderID()
	b.append(id, placedEvent(id))
	link := func(target string) kurrent.Delivery {
		return kurrent.Delivery{Event: &kurrent.Event{Stream: "$ce-order", Type: "$>", Data: []byte(target)}}
	}
	got, err := b.bridge.attempt(t.Context(), link("0@"+id))
	require.NoError(t, err)
	require.Equal(t, routes.Started, got)
	got, err = b.bridge.attempt(t.Context(), link("0@"+newOrderID()))
	require.NoError(t, err)
	require.Equal(t, routes.Ignored, got)
	got, err = b.bridge.attempt(t.Context(), link("nowhere"))
	require.NoError(t, err)
	require.Equal(t, routes.Ignored, got)
	got, err = b.bridge.attempt(t.Context(), kurrent.Delivery{Link: link("nowhere").Event})
	require.NoError(t, err)
	require.Equal(t, routes.Ignored, got)
}
