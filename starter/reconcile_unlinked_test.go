package main

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

func rawEvent(eventType, data string) kurrent.NewEvent {
	return kurrent.NewEvent{ID: uuid.New(), Type: eventType, Data: []byte(data)}
}

func anUnlinkedEvent(t *testing.T, c cluster) {
	h := newReconcileRig(t, c, kurrentsim.Options{}, 0)
	h.run()
	cut, empty, parked, erased, given, good := newOrderID(), newOrderID(), newOrderID(), newOrderID(), newOrderID(), newOrderID()
	h.append(cut, rawEvent(order.TypePlaced, `{"orderId":"`))
	h.append(empty, newEvent("order-viewed", map[string]any{}), rawEvent(order.TypePlacedAlias, ""))
	h.append(parked, rawEvent(order.TypePlaced, `{"orderId":"`+parked+`",}`)) // the server accepts a trailing comma
	h.append(erased, rawEvent(order.TypePlaced, "not JSON"))
	h.append(given, rawEvent(order.TypePlaced, "not JSON"), newEvent("order-viewed", map[string]any{}))
	h.append("cart-1", rawEvent(order.TypePlaced, "not JSON")) // of another category
	h.place(good)
	h.append(good, rawEvent(order.TypeCancellationRequested, "not JSON"), rawEvent(order.TypePaid, "not JSON"))
	h.erase(erased)
	h.append("$$"+given, newEvent("$metadata", map[string]any{"$tb": 1}))
	h.awaitStatus(good, order.StatusFulfilling)
	h.awaitParked(1)

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
	h.append(good, newEvent(order.TypeCancellationRequested, map[string]any{"reason": "customer-request"}))
	h.awaitStatus(good, order.StatusCancelled)
	found = h.reconcile()
	requireFindings(t, "checked 3  missing 0  extra 0  held 0  parked 1  fixed 0  left 1", found)
	require.Equal(t, "event 2 (order-paid): its data is not JSON: missing value at byte 0", found.Differences[0].Detail)
}
