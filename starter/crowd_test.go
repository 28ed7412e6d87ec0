package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAStarterThatDiesWithEventsInHandLosesNothing(t *testing.T) {
	t.Parallel()
	for name, death := range map[string]condition{"killed": reset, "with its machine": silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t)
			crowd := []*trial{tr, tr.beside(), tr.beside()}
			victim := crowd[1]
			victim.bridge.holdLimit, victim.bridge.drainTimeout = longEnough, 0 // it holds what it has, and does not take its leave
			for _, each := range crowd {
				each.run()
				each.awaitJoined()
			}
			for range 50 {
				tr.place()
			}
			require.Eventually(t, func() bool { return victim.handled() > 0 }, longEnough, time.Millisecond)
			victim.toTemporal.become(silent) // so that it cannot be done with all when it dies
			for range 50 {
				tr.place()
			}
			require.Eventually(t, func() bool { return inFlight(victim.bridge) > 0 }, longEnough, time.Millisecond)
			victim.toKurrent.become(death)
			victim.toTemporal.become(death)
			for range 100 {
				tr.place()
			}
			tr.requireAllDone()
			require.Less(t, victim.handled(), tr.handled()+crowd[2].handled(), "the others did most of it")
		})
	}
}

func TestABridgeThatIsSlowerThanItsGroupIsPatientDoesNothingTwice(t *testing.T) {
	t.Parallel()
	tr := newTrial(t) // its group hands events out again after a second
	tr.bridge.holdLimit = longEnough
	tr.run()
	tr.awaitJoined()
	tr.toTemporal.become(silent)
	for range 4 { // fewer than it may have in hand: the same ones come again
		tr.place()
	}
	require.Eventually(t, func() bool { return inFlight(tr.bridge) == tr.bridge.concurrency }, longEnough, time.Millisecond)
	tr.toTemporal.become(passable)
	tr.requireAllDone()
}

func TestAConnectionThatIsForgottenOnTheWayIsMissed(t *testing.T) {
	t.Parallel()
	tr := newTrial(t)
	tr.run()
	tr.awaitJoined()
	tr.toKurrent.become(stale)
	for range 10 {
		tr.place()
	}
	tr.requireAllDone()
}

func TestAGroupThatIsDeletedUnderTheBridgeIsMadeAgain(t *testing.T) {
	t.Parallel()
	tr := newTrial(t)
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
	tr.awaitAtLeast(14, resultDuplicate) // from the start: what had its effect has none again
}

func TestABurstIsTakenInPieces(t *testing.T) {
	t.Parallel()
	tr := newTrial(t)
	const events = 10_000
	for range events / 100 {
		tr.chatter(100)
	}
	highest := measure(func() int { return inFlight(tr.bridge) })
	tr.run()
	tr.requireAllDone()
	require.LessOrEqual(t, highest().inFlight, tr.bridge.concurrency)
	tr.awaitAtLeast(events, resultIgnored)
}

func TestACancellationThatComesFirstWaitsForItsOrder(t *testing.T) {
	t.Parallel()
	tr := newTrial(t)
	tr.bridge.holdLimit = longEnough
	tr.run()
	id := newOrderID()
	tr.append(id, newEvent("order-cancellation-requested", map[string]any{"reason": "customer-request"}))
	require.Eventually(t, func() bool { return inFlight(tr.bridge) > 0 }, longEnough, time.Millisecond)
	tr.append(id, placedBy(tr.customer, id))
	tr.placed, tr.cancelled = []string{id}, []string{id}
	tr.requireAllDone()
	tr.awaitAtLeast(1, resultSignalled)
	require.Zero(t, tr.count(resultParked))
}
