package bridge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
)

func TestWaitingEvents(t *testing.T) {
	t.Parallel()
	const roomy = 10
	held := func(eventType string, revision uint64, coalesce string) *heldEvent {
		event := &kurrent.Event{Stream: "order-1", Type: eventType, Revision: revision}
		return &heldEvent{delivery: kurrent.Delivery{Event: event}, coalesce: coalesce}
	}
	placed, paid := held("order-placed", 0, ""), held("order-paid", 1, "")
	first, second := held("order-cancellation-requested", 2, "order-1"), held("order-cancellation-requested", 3, "order-1")
	t.Run("covers only an event that says the same", func(t *testing.T) {
		t.Parallel()
		var waiting waitingEvents
		for _, event := range []*heldEvent{placed, first, paid} {
			added, covered := waiting.add(event, ClassBusy, roomy)
			require.True(t, added, event.delivery.Event.Type)
			require.False(t, covered, event.delivery.Event.Type)
		}
		added, covered := waiting.add(second, ClassBusy, roomy)
		require.False(t, added)
		require.True(t, covered)
		waiting.remove(placed)
		waiting.remove(first)
		added, covered = waiting.add(second, ClassBusy, roomy)
		require.True(t, added, "the first has left")
		require.False(t, covered)
	})
	t.Run("covers no event that waits for a key", func(t *testing.T) {
		t.Parallel()
		var waiting waitingEvents
		for _, event := range []*heldEvent{first, second} {
			added, covered := waiting.add(event, ClassUndecodable, roomy)
			require.True(t, added)
			require.False(t, covered)
		}
	})
}
