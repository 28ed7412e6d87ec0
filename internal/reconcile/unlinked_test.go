package reconcile

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/startertest"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

func rawEvent(eventType, data string) kurrent.NewEvent {
	return kurrent.NewEvent{ID: uuid.New(), Type: eventType, Data: []byte(data)}
}

func anUnlinkedEvent(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	cut, empty, parked, erased, given, good := startertest.NewOrderID(), startertest.NewOrderID(), startertest.NewOrderID(), startertest.NewOrderID(), startertest.NewOrderID(), startertest.NewOrderID()
	h.Append(cut, rawEvent(order.TypePlaced, `{"orderId":"`))
	h.Append(empty, startertest.NewEvent("order-viewed", map[string]any{}), rawEvent(order.TypePlacedAlias, ""))
	h.Append(parked, rawEvent(order.TypePlaced, `{"orderId":"`+parked+`",}`)) // the server accepts a trailing comma
	h.Append(erased, rawEvent(order.TypePlaced, "not JSON"))
	h.Append(given, rawEvent(order.TypePlaced, "not JSON"), startertest.NewEvent("order-viewed", map[string]any{}))
	h.Append("cart-1", rawEvent(order.TypePlaced, "not JSON")) // of another category
	h.place(good)
	h.Append(good, rawEvent(order.TypeCancellationRequested, "not JSON"), rawEvent(order.TypePaid, "not JSON"))
	h.erase(erased)
	h.Append("$$"+given, startertest.NewEvent("$metadata", map[string]any{"$tb": 1}))
	h.awaitStatus(good, order.StatusFulfilling)
	h.AwaitParked(1)

	found := h.reconcile(fixing)
	requireFindings(t, "checked 1  missing 0  extra 0  held 0  parked 1  fixed 0  left 4", found)
	require.Equal(t, 4, found.Unlinked)
	reported := map[string]string{}
	for _, d := range found.Differences {
		require.Equal(t, unlinked, d.Kind)
		require.False(t, d.Fixed)
		reported[fmt.Sprintf("%d@%s", *d.Revision, d.OrderID)] = d.Detail
	}
	require.Equal(t, map[string]string{
		"0@" + cut:   "event 0 (order-placed): its data is not JSON: it ends too early at byte 12",
		"1@" + empty: "event 1 (order-placed): its data is empty",
		"1@" + good:  "event 1 (order-cancellation-requested): its data is not JSON: missing value at byte 0",
		"2@" + good:  "event 2 (order-paid): its data is not JSON: missing value at byte 0",
	}, reported)

	for _, id := range []string{cut, empty} { // as an operator would
		h.place(id)
		h.awaitStatus(id, order.StatusFulfilling)
	}
	h.Append(good, startertest.NewEvent(order.TypeCancellationRequested, map[string]any{"reason": "customer-request"}))
	h.awaitStatus(good, order.StatusCancelled)
	found = h.reconcile()
	requireFindings(t, "checked 3  missing 0  extra 0  held 0  parked 1  fixed 0  left 1", found)
	require.Equal(t, "event 2 (order-paid): its data is not JSON: missing value at byte 0", found.Differences[0].Detail)
}
