package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const lagSeconds = "orderflow_publisher_lag_seconds"

// awaitPublishedMark waits until the mark says that everything the history has is published.
func (w *world) awaitPublishedMark() {
	w.t.Helper()
	require.EventuallyWithT(w.t, func(c *assert.CollectT) {
		require.True(c, look[bool](c, w, "SELECT snapshot_done AND snapshot_id = (SELECT max(id) FROM order_fulfillment_history) FROM publisher_mark"))
	}, waitLong, waitTick)
}

// A publication that is not right keeps sessions from beginning.
func TestLagSecondsOfAPublisherThatCannotBegin(t *testing.T) {
	w := newWorld(t)
	p := w.publish()
	w.approve("order-1")
	w.awaitTypes("order-1", "order-approved")
	w.awaitPublishedMark()
	p.stop()
	w.age(2 * time.Hour)
	w.exec(rightPublication + " WHERE (revision > 7)")

	for restarted := range 2 {
		p = w.publish()
		require.Eventually(t, func() bool { return p.failure.Load() != nil }, waitLong, waitTick)
		if restarted == 0 {
			require.Contains(t, gathered(t, p), lagSeconds)
			require.Zero(t, gathered(t, p)[lagSeconds], "everything is published")
			w.approve("order-2")
			w.age(time.Hour)
		}
		require.InDelta(t, time.Hour.Seconds(), gathered(t, p)[lagSeconds], 600, "order-2 is not, and order-1 is older")
		p.stop()
	}

	w.exec(rightPublication)
	p = w.publish()
	w.awaitTypes("order-2", "order-approved")
	require.EventuallyWithT(t, func(c *assert.CollectT) { require.Zero(c, gathered(c, p)[lagSeconds]) }, waitLong, waitTick)
}

func TestLagSecondsBeforeTheFirstSession(t *testing.T) {
	w := newWorld(t)
	w.approve("order-1")
	w.age(time.Hour)
	w.exec(rightPublication + " WHERE (revision > 7)")
	p := w.publish()
	require.InDelta(t, time.Hour.Seconds(), gathered(t, p)[lagSeconds], 600)
}

// Its versions in flight come to no end, and another publisher, after it, begins with them.
func TestLagSecondsWhileKurrentDBIsAway(t *testing.T) {
	w := newWorld(t)
	away := w.behindProxy()
	w.settings.budget = time.Millisecond
	p := w.publish()
	p.awaitPhase(phaseStream)
	away.shut()
	w.approve("order-1")
	require.EventuallyWithT(t, func(c *assert.CollectT) { require.Positive(c, gathered(c, p)[lagSeconds]) }, waitLong, waitTick)
	p.stop()
	const age = "SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM order_fulfillment_history"
	before := value[float64](w, age)

	p = w.publish()

	for p.phase.Load() != phaseStream || !p.waits() {
		if sample, ok := gathered(t, p)[lagSeconds]; ok { // not while the one before still has the lock
			require.GreaterOrEqual(t, sample, before)
		}
	}
	require.InDelta(t, value[float64](w, age), gathered(t, p)[lagSeconds], 5)
	away.open()
	w.awaitTypes("order-1", "order-approved")
	require.EventuallyWithT(t, func(c *assert.CollectT) { require.Zero(c, gathered(c, p)[lagSeconds]) }, waitLong, waitTick)
}
