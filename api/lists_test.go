package main

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

func (c *caller) list(query string) (list orderList) {
	c.t.Helper()
	c.get("/orders?"+query).into(http.StatusOK, &list)
	return list
}

func listedIDs(list orderList) (ids []string) {
	for _, o := range list.Orders {
		ids = append(ids, o.OrderID)
	}
	return ids
}

func TestListOrders_Pages(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	customerID := newCustomerID()
	var want []string // newest first
	for n := range 5 {
		id := newID()
		at := time.Date(2025, 2, 1, 0, n, 0, 0, time.UTC).Format(time.RFC3339)
		require.Equal(t, http.StatusCreated, c.post("/orders", body(id, customerID, map[string]any{"at": at})).status)
		want = append([]string{id}, want...)
	}
	until(t, func(now teller) { require.Len(now, c.telling(now).list("customerId="+customerID).Orders, 5) })

	var got []string
	cursor := ""
	for range 3 {
		page := c.list("customerId=" + customerID + "&limit=2&cursor=" + cursor)
		got = append(got, listedIDs(page)...)
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	require.Equal(t, want, got)
	require.Equal(t, want[:3], listedIDs(c.list("status=&reason=&placedAfter=2025-02-01T00:01:00Z&customerId="+customerID)))
	require.Empty(t, c.list("customerId="+customerID+"&status=shipped").Orders)
	require.Equal(t, want, listedIDs(c.list("customerId="+customerID+"&status=pending")))
	first := c.list("status=pending&limit=1")
	require.Len(t, first.Orders, 1)
	require.NotNil(t, first.NextCursor)
	require.NotNil(t, first.AsOf)
}

func TestListOrders_HeldWithEndOfHold(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, customerID := c.place()
	until := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	_, err := shared.events.Append(t.Context(), "credit-"+customerID, kurrent.NoStream(),
		event("credit-account-opened", []byte(`{"customerId":"`+customerID+`","limit":"USD1.00"}`)),
		event("credit-limit-exceeded", []byte(`{"orderId":"`+id+`","amount":"USD242.00","available":"USD1.00","held":true,"holdUntil":"2026-03-01T12:00:00Z"}`)))
	require.NoError(t, err)
	c.awaitCustomer(customerID, func(c customer) bool { return len(c.Recent) == 1 && c.Recent[0].Status == order.StatusOnHold })
	list := c.list("reason=INSUFFICIENT_CREDIT&customerId=" + customerID)
	require.Equal(t, []string{id}, listedIDs(list))
	require.Equal(t, until, *list.Orders[0].HoldUntil)
	require.Equal(t, customerID, list.Orders[0].CustomerID)
}

func TestListOrders_Late(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	late, customerID := c.fulfill()
	domainEvent(t, "order-approved", late, `"customerId":"`+customerID+`","status":"fulfilling"`)
	c.awaitCustomer(customerID, func(c customer) bool { return c.Recent[0].Status == order.StatusFulfilling })
	require.Empty(t, c.list("late=true&customerId="+customerID).Orders, "it has no time")
	c.lateSince(late)
	require.Equal(t, []string{late}, listedIDs(c.list("late=true&customerId="+customerID)))
	require.Equal(t, []string{late}, listedIDs(c.list("late=&customerId="+customerID)))
	require.Empty(t, c.list("late=true&status=shipped&customerId="+customerID).Orders)
	page := c.get("/list?late=true&customerId=" + customerID).body
	require.Contains(t, page, "<h1>Late orders</h1>")
	require.Contains(t, page, "/?order="+late)
	require.Contains(t, page, `value="true" checked`)
	require.Contains(t, c.get("/list?late=true&status=fulfilling").body, "<h1>Late fulfilling orders</h1>")
	c.ship(late)
	require.Empty(t, c.list("late=true&customerId="+customerID).Orders, "it has shipped, although the view does not know it yet")
}

// lateSince lets an order be late since a minute ago.
func (c *caller) lateSince(id string) {
	c.t.Helper()
	conn, err := pgx.Connect(c.ctx, shared.postgresURL)
	require.NoError(c.t, err)
	defer func() { require.NoError(c.t, conn.Close(c.ctx)) }()
	_, err = conn.Exec(c.ctx, "UPDATE order_fulfillment SET ship_by = now() - interval '1 minute' WHERE order_id = $1", id)
	require.NoError(c.t, err)
}

func TestListOrders_RefusesParameters(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	for query, field := range map[string]string{
		"status=open": statusParam, "status=cancelling": statusParam, "reason=x": reasonParam, "customerId=%01": customerParam,
		"placedAfter=yesterday": placedParam, "placedAfter=0001-01-01T00:00:00Z": placedParam, "limit=0": limitParam, "limit=201": limitParam,
		"limit=x": limitParam, "late=false": lateParam, "late=true&late=true": lateParam, "cursor=x": cursorParam, "status=pending&status=shipped": statusParam,
		"cursor=" + base64.RawURLEncoding.EncodeToString([]byte("1 order-\x00")): cursorParam,
		"cursor=" + base64.RawURLEncoding.EncodeToString([]byte("-9 order-1")):   cursorParam,
		"cursor=" + base64.RawURLEncoding.EncodeToString([]byte("1e9 order-1")):  cursorParam,
		"customerId=" + url.QueryEscape(strings.Repeat("x", 129)):                customerParam,
	} {
		require.Equal(t, field, c.get("/orders?"+query).problem(http.StatusUnprocessableEntity).Field, query)
	}
	require.Equal(t, http.StatusBadRequest, c.get("/orders?customerid=c-1").problem(http.StatusBadRequest).Status, "a misspelled filter")
}

func TestCursor_AnyOrder(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	unknown := "-1 " + newID() // an order whose time is not known comes last
	require.Empty(t, c.list("cursor="+base64.RawURLEncoding.EncodeToString([]byte(unknown))+"&status=shipped").Orders)
}

func TestOrderStats(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	var before, after orderStats
	c.get("/orders/stats").into(http.StatusOK, &before)
	c.place()
	until(t, func(now teller) {
		c.telling(now).get("/orders/stats").into(http.StatusOK, &after)
		require.NotNil(now, after.AsOf)
		require.Positive(now, after.Statuses[order.StatusPending])
		require.Positive(now, after.Hours[statsHours-1].Placed+after.Hours[statsHours-2].Placed)
	})
	require.Len(t, after.Hours, statsHours)
	require.Len(t, after.Statuses, 6)
	require.Equal(t, time.Hour, after.Hours[1].From.Sub(after.Hours[0].From))
}
