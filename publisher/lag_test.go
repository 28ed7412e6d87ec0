package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const lagSeconds = "orderflow_publisher_lag_seconds"

// awaitSnapshotDone waits until the checkpoint covers the whole history.
func (rig *publisherRig) awaitSnapshotDone() {
	rig.t.Helper()
	require.EventuallyWithT(rig.t, func(c *assert.CollectT) {
		require.True(c, query[bool](c, rig, "SELECT snapshot_done AND snapshot_id = (SELECT max(id) FROM order_fulfillment_history) FROM publisher_mark"))
	}, waitLong, waitTick)
}

// A wrong publication prevents sessions from starting.
func TestLagSeconds_SessionCannotBegin(t *testing.T) {
	rig := newPublisherRig(t)
	p := rig.publish()
	rig.approve("order-1")
	rig.awaitTypes("order-1", "order-approved")
	rig.awaitSnapshotDone()
	p.stop()
	rig.age(2 * time.Hour)
	rig.exec(resetPublication + " WHERE (revision > 7)")

	for restarted := range 2 {
		p = rig.publish()
		require.Eventually(t, func() bool { return p.failure.Load() != nil }, waitLong, waitTick)
		if restarted == 0 {
			require.Contains(t, gatherGauges(t, p), lagSeconds)
			require.Zero(t, gatherGauges(t, p)[lagSeconds], "everything is published")
			rig.approve("order-2")
			rig.age(time.Hour)
		}
		require.InDelta(t, time.Hour.Seconds(), gatherGauges(t, p)[lagSeconds], 600, "order-2 is not published, and order-1 is older")
		p.stop()
	}

	rig.exec(resetPublication)
	p = rig.publish()
	rig.awaitTypes("order-2", "order-approved")
	require.EventuallyWithT(t, func(c *assert.CollectT) { require.Zero(c, gatherGauges(c, p)[lagSeconds]) }, waitLong, waitTick)
}

func TestLagSeconds_BeforeFirstSession(t *testing.T) {
	rig := newPublisherRig(t)
	rig.approve("order-1")
	rig.age(time.Hour)
	rig.exec(resetPublication + " WHERE (revision > 7)")
	p := rig.publish()
	require.InDelta(t, time.Hour.Seconds(), gatherGauges(t, p)[lagSeconds], 600)
}

// The versions in flight never complete, and the next publisher starts with them.
func TestLagSeconds_KurrentDBUnavailable(t *testing.T) {
	rig := newPublisherRig(t)
	proxy := rig.useProxy()
	rig.settings.shutdownTimeout = time.Millisecond
	p := rig.publish()
	p.awaitPhase(phaseStream)
	proxy.Stall()
	rig.approve("order-1")
	require.EventuallyWithT(t, func(c *assert.CollectT) { require.Positive(c, gatherGauges(c, p)[lagSeconds]) }, waitLong, waitTick)
	p.stop()
	const age = "SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM order_fulfillment_history"
	before := value[float64](rig, age)

	p = rig.publish()

	for p.phase.Load() != phaseStream || !p.hasInFlight() {
		if sample, ok := gatherGauges(t, p)[lagSeconds]; ok { // there is no sample while the previous publisher still holds the lock
			require.GreaterOrEqual(t, sample, before)
		}
	}
	require.InDelta(t, value[float64](rig, age), gatherGauges(t, p)[lagSeconds], 5)
	proxy.Resume()
	rig.awaitTypes("order-1", "order-approved")
	require.EventuallyWithT(t, func(c *assert.CollectT) { require.Zero(c, gatherGauges(c, p)[lagSeconds]) }, waitLong, waitTick)
}
