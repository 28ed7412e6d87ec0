package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/routes"
)

func TestWaitingEvents(t *testing.T) {
	t.Parallel()
	const roomy = 10
	held := func(eventType string, revision uint64) *heldEvent {
		return &heldEvent{delivery: kurrent.Delivery{Event: &kurrent.Event{Stream: "order-1", Type: eventType, Revision: revision}}}
	}
	placed, paid := held(order.TypePlaced, 0), held(order.TypePaid, 1)
	first, second := held(order.TypeCancellationRequested, 2), held(order.TypeCancellationRequested, 3)
	t.Run("covers only cancellations by another", func(t *testing.T) {
		t.Parallel()
		var waiting waitingEvents
		for _, event := range []*heldEvent{placed, first, paid} {
			added, covered := waiting.add(event, routes.ClassBusy, roomy)
			require.True(t, added, event.delivery.Event.Type)
			require.False(t, covered, event.delivery.Event.Type)
		}
		added, covered := waiting.add(second, routes.ClassBusy, roomy)
		require.False(t, added)
		require.True(t, covered)
		waiting.remove(placed)
		waiting.remove(first)
		added, covered = waiting.add(second, routes.ClassBusy, roomy)
		require.True(t, added, "the first has left")
		require.False(t, covered)
	})
	t.Run("covers no event that waits for a key", func(t *testing.T) {
		t.Parallel()
		var waiting waitingEvents
		for _, event := range []*heldEvent{first, second} {
			added, covered := waiting.add(event, routes.ClassUndecodable, roomy)
			require.True(t, added)
			require.False(t, covered)
		}
	})
}
