package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// parcelOf is a shipment of some pieces of an order's first line.
func parcelOf(number string, quantity int) map[string]any {
	return map[string]any{
		"carrier": "DHL", "trackingNumber": number, "lines": []map[string]any{{"line": 1, "quantity": quantity}},
	}
}

func TestPostShipment_Parcels(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.fulfill()
	path := "/orders/" + id + "/shipments"

	require.Equal(t, "lines[0].quantity: must be at most 2, which is left of line 1",
		c.post(path, parcelOf("1", 3)).problem(http.StatusConflict).Detail)
	for range 2 {
		var state order.State
		c.post(path, parcelOf("1", 1)).into(http.StatusOK, &state)
		require.Equal(t, order.StatusFulfilling, state.Status)
		require.Len(t, state.Parcels, 1)
	}
	require.Equal(t, "the order is shipping",
		c.post("/orders/"+id+"/cancel", map[string]any{"reason": "customer-request"}).problem(http.StatusConflict).Detail)
	var state order.State
	c.get("/orders/"+id).into(http.StatusOK, &state)
	require.Equal(t, order.CreditReserved, state.Credit)
	require.Equal(t, "1", state.Parcels[0].TrackingNumber)
	page := c.saying("/?order="+id, "<dt>Parcel</dt><dd>DHL <code>1</code>")
	require.Contains(t, page, "/actions/ship?")
	require.NotContains(t, page, "/actions/cancel?")
	c.saying("/actions/cancel?order="+id, "and of which a parcel has left, does not allow this")

	c.post(path, shipment).into(http.StatusOK, &state)
	require.Equal(t, order.StatusShipped, state.Status)
	require.Equal(t, []order.ParcelLine{{Line: 1, Quantity: 1}}, state.Parcels[1].Lines)
	require.NoError(t, shared.temporal.GetWorkflow(t.Context(), id, "").Get(t.Context(), nil))
	require.Equal(t, http.StatusOK, c.post(path, parcelOf("1", 1)).status, "the same parcel of a closed order")
	require.Equal(t, "the order is shipped", c.post(path, parcelOf("1", 2)).problem(http.StatusConflict).Detail)
}

func TestDescribeFulfillmentEvent_Parcel(t *testing.T) {
	t.Parallel()
	parcel := order.Parcel{Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: "1"}}
	for line := range maxShownLines + 2 {
		parcel.Lines = append(parcel.Lines, order.ParcelLine{Line: line + 1, Quantity: 2})
	}
	data, err := fulfillment.EncodeEvent(fulfillment.Event{
		Status: order.StatusFulfilling, Total: order.Money{Minor: 1, Currency: "USD"}, Parcels: []order.Parcel{parcel},
	})
	require.NoError(t, err)
	entry, known := describeFulfillmentEvent(kurrent.Event{Type: fulfillment.TypeParcelShipped, Data: data})
	require.True(t, known)
	require.Equal(t, "Parcel 1 shipped", entry.What)
	require.Contains(t, entry.Detail, "DHL, 1, 2 of line 1, 2 of line 2")
	require.Contains(t, entry.Detail, "2 of line 10, and 2 more lines")
}
