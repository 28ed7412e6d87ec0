package main

import (
	"net/http"
	"net/url"
	"slices"
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

// twoLines is an order of three lamps and two shades.
func twoLines() map[string]any {
	line := func(product, name string, quantity int) map[string]any {
		return map[string]any{"productId": product, "productName": name, "quantity": quantity, "pricePerUnit": "USD10.00", "taxRate": 0}
	}
	return map[string]any{"lineItems": []any{line("1", "Lamp <b>", 3), line("2", "", 2)}}
}

// parcelForm is the form that records a parcel of an order, with the quantities of its
// lines.
func parcelForm(id, number string, quantities ...string) url.Values {
	form := url.Values{"order": {id}, "carrier": {"DHL"}, "trackingNumber": {number}}
	for i, quantity := range quantities {
		form.Set(parcelLine{No: i + 1}.Name(), quantity)
	}
	return form
}

func TestActions_ShipsParcels(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.fulfillWith(twoLines())
	page := c.get("/actions/ship?order=" + id).body
	require.Contains(t, page, `<label for="line-1">Line 1: Lamp &lt;b&gt;</label>`)
	require.Contains(t, page, `name="line-1" value="3" type="number" min="0" max="3"`)
	require.Contains(t, page, `<label for="line-2">Line 2: 2</label>`, "its id, because it has no name")

	c.acted("ship", parcelForm(id, "1", "2", "0"))
	c.acted("ship", parcelForm(id, "1", "2", "0")) // the browser sends it twice
	state := c.await(id, order.StatusFulfilling)
	require.Equal(t, []order.Parcel{{Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: "1"}, Lines: []order.ParcelLine{{Line: 1, Quantity: 2}}}}, state.Parcels)
	page = c.get("/actions/ship?order=" + id).body
	require.Contains(t, page, `name="line-1" value="1" type="number" min="0" max="1"`)
	require.Contains(t, page, `name="line-2" value="2" type="number" min="0" max="2"`)

	c.acted("ship", parcelForm(id, "2", " 1 ", ""))
	require.NotContains(t, c.get("/actions/ship?order="+id).body, "line-1", "nothing is left of it")
	c.acted("ship", parcelForm(id, "3", "", ""))
	state = c.await(id, order.StatusShipped)
	require.Len(t, state.Parcels, 3)
	require.Equal(t, []order.ParcelLine{{Line: 2, Quantity: 2}}, state.Parcels[2].Lines, "all that was left")
	again := c.act("ship", parcelForm(id, "4", "1", "1"))
	require.Equal(t, http.StatusConflict, again.status)
	require.NotContains(t, again.body, "line-1", "a shipped order has no lines to ship")
	require.NotContains(t, again.body, "cannot be read")
}

func TestActions_ShipsAllThatIsSuggested(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.fulfillWith(twoLines())
	c.acted("ship", parcelForm(id, "1", "3", "2"))
	require.Empty(t, c.await(id, order.StatusShipped).Parcels, "it shipped as a whole")
}

func TestActions_RefusesLines(t *testing.T) {
	t.Parallel()
	a := shared.api()
	c := newClient(t, a)
	id, _ := c.fulfillWith(twoLines())
	for want, form := range map[string]url.Values{
		"line-2 must be a whole number":                  parcelForm(id, "1", "1", "a few"),
		"line-1 must be a whole number":                  parcelForm(id, "1", "-1", "1.5"),
		"lines must not be empty":                        parcelForm(id, "1", "0", "0"),
		"line is not a line of an order":                 {"order": {id}, "carrier": {"DHL"}, "trackingNumber": {"1"}, "line-x": {"1"}},
		"lines[1].line must not be repeated":             {"order": {id}, "carrier": {"DHL"}, "trackingNumber": {"1"}, "line-1": {"1"}, "line-01": {"1"}},
		"carrier must not be empty":                      {"order": {id}, "trackingNumber": {"1"}, "line-1": {"2"}},
		"lines must be at most 500":                      parcelForm(id, "1", slices.Repeat([]string{"1"}, 501)...),
		"must be at most 2, which is left of line 2</p>": parcelForm(id, "1", "1", "3"),
		"the order has 2 lines":                          parcelForm(id, "1", "1", "1", "1"),
	} {
		got := c.act("ship", form)
		require.Contains(t, []int{http.StatusUnprocessableEntity, http.StatusConflict}, got.status, want)
		require.Contains(t, got.body, want)
	}
	got := c.act("ship", parcelForm(id, "1", "1", "a few")).body
	require.Contains(t, got, `name="line-1" value="1"`, "what was entered is kept")
	require.Regexp(t, `name="line-2" [^>]*aria-invalid="true"`, got)
	require.NotRegexp(t, `name="line-1" [^>]*aria-invalid`, got)
	require.Empty(t, c.await(id, order.StatusFulfilling).Parcels)

	a.streams = broken{err: kurrent.ErrUnavailable}
	page := c.get("/actions/ship?order=" + id)
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.body, "the parcel will contain all that is left")
	refused := c.act("ship", parcelForm(id, "1", "1", "a few"))
	require.Equal(t, http.StatusUnprocessableEntity, refused.status)
	require.Contains(t, refused.body, "line-2 must be a whole number")
	require.NotContains(t, refused.body, "trackingNumber", "a form without lines would ship more than was entered")
	c.acted("ship", parcelForm(id, "1"))
	a.streams = shared.orders
	c.await(id, order.StatusShipped)
}
