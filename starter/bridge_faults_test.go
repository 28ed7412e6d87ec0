package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/bridge"
	"orderflow/dev/faultproxy"
)

func TestBridge_KilledWithEventsInFlight(t *testing.T) {
	t.Parallel()
	for name, death := range map[string]func(*faultproxy.Proxy){
		"killed": (*faultproxy.Proxy).Reset, "with its machine": func(p *faultproxy.Proxy) { p.Stall() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newOutageRig(t)
			bridges := []*outageRig{tr, tr.secondBridge(), tr.secondBridge()}
			victim := bridges[1]
			victim.options.HoldTimeout, victim.options.DrainTimeout = longEnough, 0 // it holds its events, and does not leave the group cleanly
			for _, each := range bridges {
				each.run()
				each.awaitJoined()
			}
			for range 50 {
				tr.place()
			}
			require.Eventually(t, func() bool { return victim.handled() > 0 }, longEnough, time.Millisecond)
			victim.toTemporal.Stall() // so that it cannot have completed all its events when it dies
			for range 50 {
				tr.place()
			}
			require.Eventually(t, func() bool { return inFlight(victim.bridgeRig) > 0 }, longEnough, time.Millisecond)
			death(victim.toKurrent)
			death(victim.toTemporal)
			for range 100 {
				tr.place()
			}
			tr.requireAllDone()
			require.Less(t, victim.handled(), tr.handled()+bridges[2].handled(), "the others did most of it")
		})
	}
}

func TestBridge_RedeliveryBeforeCompletion(t *testing.T) {
	t.Parallel()
	tr := newOutageRig(t) // its group redelivers events after a second
	tr.options.HoldTimeout = longEnough
	tr.run()
	tr.awaitJoined()
	tr.toTemporal.Stall()
	for range 4 { // fewer than its concurrency, so the same ones are redelivered
		tr.place()
	}
	require.Eventually(t, func() bool { return inFlight(tr.bridgeRig) == tr.options.Concurrency }, longEnough, time.Millisecond)
	tr.toTemporal.Resume()
	tr.requireAllDone()
}

func TestBridge_StaleConnection(t *testing.T) {
	t.Parallel()
	tr := newOutageRig(t)
	tr.run()
	tr.awaitJoined()
	tr.toKurrent.StallOpen()
	for range 10 {
		tr.place()
	}
	tr.requireAllDone()
}

func TestBridge_DeletedGroup(t *testing.T) {
	t.Parallel()
	tr := newOutageRig(t)
	tr.run()
	for range 10 {
		tr.place()
	}
	tr.requireAllDone()
	tr.deleteGroup()
	for range 10 {
		tr.place()
	}
	tr.requireAllDone()
	tr.awaitAtLeast(14, bridge.Duplicate) // from the start of the stream: repeated events have no second effect
}

func TestBridge_Burst(t *testing.T) {
	t.Parallel()
	tr := newOutageRig(t)
	const events = 10_000
	for range events / 100 {
		tr.appendIgnored(100)
	}
	highest := measure(func() int { return inFlight(tr.bridgeRig) })
	tr.run()
	tr.requireAllDone()
	require.LessOrEqual(t, highest().inFlight, tr.options.Concurrency)
	tr.awaitAtLeast(events, bridge.Ignored)
}

func TestBridge_CancellationBeforeOrder(t *testing.T) {
	t.Parallel()
	tr := newOutageRig(t)
	tr.options.HoldTimeout = longEnough
	tr.run()
	id := newOrderID()
	tr.append(id, newEvent("order-cancellation-requested", map[string]any{"reason": "customer-request"}))
	require.Eventually(t, func() bool { return inFlight(tr.bridgeRig) > 0 }, longEnough, time.Millisecond)
	tr.append(id, placedBy(tr.customer, id))
	tr.placed, tr.cancelled = []string{id}, []string{id}
	tr.requireAllDone()
	tr.awaitAtLeast(1, bridge.Signalled)
	require.Zero(t, tr.count(bridge.Parked))
}
