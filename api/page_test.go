package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

// linked is an api that knows the other tools' pages.
func linked() *api {
	a := shared.api()
	var s settings
	s.Links.Trace = "http://localhost:3000/trace/{traceId}"
	s.Links.Temporal, s.Links.Streams, s.Links.Inbox = "http://localhost:8233/", "http://localhost:2113/web/", "http://localhost:8005"
	a.links = newLinks(s, "default")
	return a
}

// domainEvent is a version of a fulfillment, as the publisher writes it.
func domainEvent(t *testing.T, kind, id, data string) {
	t.Helper()
	stream := "fulfillment-" + id
	expected, err := end(t.Context(), shared.orders, stream)
	require.NoError(t, err)
	_, err = shared.events.Append(t.Context(), stream, expected, event(kind, []byte(`{"orderId":"`+id+`",`+data+`}`)))
	require.NoError(t, err)
}

func TestPage_OrderTimeline(t *testing.T) {
	t.Parallel()
	c := newClient(t, linked())
	id, customerID := c.fulfill()
	domainEvent(t, "order-approved", id, `"status":"fulfilling"`)
	c.ship(id)
	domainEvent(t, "order-shipped", id, `"status":"shipped","carrier":"DHL","trackingNumber":"00340434292135100186"`)
	_, err := shared.events.Append(t.Context(), id, kurrent.At(0), event(order.TypePaid, []byte(`{"amount":"USD242.00"}`)))
	require.NoError(t, err)
	release(t, id, customerID)

	page := c.saying("/?q="+id, "Credit released", "Shipment email sent", "Confirmation email sent")
	at := -1
	for _, step := range []string{"Order placed", "Credit reserved", "Fulfillment started", "Order shipped", "Payment received", "Credit released"} {
		next := strings.Index(page, step)
		require.Greater(t, next, at, step)
		at = next
	}
	for _, link := range []string{
		"http://localhost:8233/namespaces/default/workflows/" + id, "http://localhost:2113/web/stream?name=" + id,
		"http://localhost:2113/web/stream?name=credit-" + customerID, "http://localhost:8005/?orderId=" + id, "/?customer=" + customerID,
	} {
		require.Contains(t, html.UnescapeString(page), `href="`+link+`"`)
	}
	require.NotContains(t, strings.ToLower(page), "canary", "neither name nor address is shown")
	require.Equal(t, http.StatusOK, c.get("/?order="+id).status)
	require.Contains(t, c.get("/?q="+strings.TrimPrefix(id, "order-")).body, "Order shipped", "an id may be given without its prefix")
}

func TestPage_OrderTrace(t *testing.T) {
	t.Parallel()
	c := newClient(t, linked())
	place := func(metadata string) (id, page string) {
		id = newID()
		data, err := json.Marshal(body(id, newCustomerID(), nil))
		require.NoError(t, err)
		placed := event(order.TypePlaced, data)
		placed.Metadata = []byte(metadata)
		_, err = shared.events.Append(t.Context(), id, kurrent.NoStream(), placed)
		require.NoError(t, err)
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			known, err := postgres.NewCustomerView(shared.pool).FindOrder(t.Context(), id)
			require.NoError(c, err)
			require.NotNil(c, known.Order)
		}, time.Minute, 20*time.Millisecond)
		return id, c.saying("/?order="+id, "Order placed")
	}
	id, page := place(`{"$correlationId":"cart-7","$traceId":"4bf92f3577b34da6a3ce929d0e0e4736","$spanId":"00f067aa0ba902b7"}`)
	require.Contains(t, page, `href="http://localhost:3000/trace/4bf92f3577b34da6a3ce929d0e0e4736"`)
	require.Contains(t, page, "cart-7")
	require.NotEmpty(t, id)
	_, page = place("")
	require.NotContains(t, page, "/trace/")
	require.NotContains(t, page, "Correlation id", "it is the order's own id")
}

func TestPage_Customer(t *testing.T) {
	t.Parallel()
	c := newClient(t, linked())
	id, customerID := c.fulfill()
	c.awaitCustomer(customerID, func(c customer) bool { return c.Reserved != nil && c.Reserved.Minor > 0 })
	for _, path := range []string{"/?q=" + customerID, "/?customer=" + customerID} {
		page := c.get(path)
		require.Equal(t, http.StatusOK, page.status)
		for _, word := range []string{"USD10000.00", "USD9758.00", "USD242.00", "/?order=" + id} {
			require.Contains(t, page.body, word)
		}
	}
	require.NotContains(t, newClient(t, shared.api()).get("/?customer="+customerID).body, "8233", "what is not set is not linked to")
}

func TestPage_NotFound(t *testing.T) {
	t.Parallel()
	c := newClient(t, linked())
	for _, wanted := range []string{newID(), "nobody", `"><script>alert(1)</script>`, "order-", "\x01"} {
		got := c.get("/?q=" + url.QueryEscape(wanted))
		require.Equal(t, http.StatusNotFound, got.status, wanted)
		require.Contains(t, got.body, "There is no order and no customer")
		require.NotContains(t, got.body, "<script")
	}
	require.Equal(t, http.StatusNotFound, c.get("/?order=nonsense").status)
	require.Equal(t, http.StatusNotFound, c.get("/?customer=%01").status)
	require.Equal(t, http.StatusUnprocessableEntity, c.get("/?q="+strings.Repeat("x", maxQuery+1)).status)
	require.Equal(t, http.StatusOK, c.get("/").status)
	require.Equal(t, http.StatusOK, c.get("/?q=+").status)
}

func TestPage_LagOfView(t *testing.T) {
	t.Parallel()
	a := linked()
	log := &counting{}
	a.lag = newLagMeter(log)
	c := newClient(t, a)
	id, _ := c.place()
	require.Contains(t, c.get("/?q="+id).body, "The customer view is 7 events behind")
	a.lag = newLagMeter(&counting{err: errors.New("no")})
	require.Contains(t, c.get("/?q="+id).body, "The lag of the customer view is unknown")
}

func TestPage_IncompleteWhenStoreUnavailable(t *testing.T) {
	t.Parallel()
	a := linked()
	c := newClient(t, a)
	id, _ := c.fulfill()
	var log bytes.Buffer
	a.logger = slog.New(slog.NewTextHandler(&log, nil))
	a.streams = broken{err: kurrent.ErrUnavailable}
	page := c.get("/?q=" + id)
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.body, "KurrentDB is unavailable")
	require.Contains(t, page.body, "fulfilling")
	require.Contains(t, log.String(), "showing an incomplete page")
	a.view = broken{err: errors.New("canary")}
	a.streams = shared.orders
	require.Equal(t, http.StatusInternalServerError, c.get("/?q="+id).status)
}

func TestPage_DescribesEveryKindOfEntry(t *testing.T) {
	t.Parallel()
	c := newClient(t, linked())
	id := newID()
	_, err := shared.events.Append(t.Context(), id, kurrent.NoStream(),
		event(order.TypePlaced, []byte(`{}`)), event("order-viewed", []byte(`{}`)), event(order.TypePaid, []byte(`{}`)),
		event(order.TypeCancellationRequested, []byte(`{"reason":"early"}`)))
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, c.post("/orders", body(id, newCustomerID(), map[string]any{
		"lineItems": []any{map[string]any{"productId": "1", "productName": "x", "quantity": 1, "pricePerUnit": "USD99999.00", "taxRate": 0}},
	})).status)
	require.NoError(t, shared.begin(t.Context(), id))
	c.await(id, order.StatusRejected)
	domainEvent(t, "order-rejected", id, `"status":"rejected","reason":"INSUFFICIENT_CREDIT"`)
	page := c.saying("/?order="+id,
		"Undecodable order", "Undecodable payment", "Cancellation requested</strong> <span>early",
		"Credit refused", "USD99999.00 requested, USD10000.00 available", "Order rejected</strong> <span>insufficient credit", "Rejection email")
	require.NotContains(t, page, "order-viewed")
}
