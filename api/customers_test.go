package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/correlation"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

func usd(t *testing.T, text string) order.Money {
	t.Helper()
	money, err := order.ParseMoney(text)
	require.NoError(t, err)
	return money
}

// release gives an order's credit back, as its settlement does.
func release(t *testing.T, id, customerID string) {
	t.Helper()
	_, err := shared.accounts.Release(t.Context(), credit.Request{
		CustomerID: customerID, OrderID: id, Amount: usd(t, "USD242.00"), Source: order.Source{Trace: correlation.Trace{CorrelationID: id}},
	}, credit.Cause{Reason: credit.ReasonPaid})
	require.NoError(t, err)
}

func TestPostCustomer_OpensAccountOnce(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	account := map[string]any{"customerId": "shop/ä " + newCustomerID(), "limit": "USD500.00"}
	path := "/customers/" + url.PathEscape(account["customerId"].(string))
	c.put(path+"/credit-limit", map[string]any{"limit": "USD1.00"}).problem(http.StatusNotFound)
	first := c.post("/customers", account)
	var got map[string]any
	first.into(http.StatusCreated, &got)
	require.Equal(t, account, got)
	require.Equal(t, path, first.header.Get("Location"))
	c.post("/customers", account).into(http.StatusOK, &got)
	c.post("/customers", map[string]any{"customerId": account["customerId"], "limit": "USD501.00"}).problem(http.StatusConflict)

	for _, limit := range []string{"USD700.00", "USD700.00", "USD500.00", "USD700.00"} { // and back and forth again
		c.put(path+"/credit-limit", map[string]any{"limit": limit}).into(http.StatusOK, &got)
		require.Equal(t, limit, got["limit"])
	}
	require.Equal(t, "limit", c.put(path+"/credit-limit", map[string]any{"limit": "EUR700.00"}).problem(422).Field)
	until(t, func(now teller) { require.Equal(now, http.StatusOK, c.telling(now).get(path).status) })
	require.Len(t, readAll(t, "credit-"+account["customerId"].(string)), 4)
}

func TestPostCustomer_ConcurrentlyOpensAccountOnce(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	account, statuses := map[string]any{"customerId": newCustomerID(), "limit": "USD500.00"}, make([]int, 4)
	var all sync.WaitGroup
	for i := range statuses {
		request := c.request(http.MethodPost, "/customers", account)
		all.Go(func() { statuses[i] = c.status(request) })
	}
	all.Wait()
	require.ElementsMatch(t, []int{201, 200, 200, 200}, statuses)
}

func TestPostCustomer_FaultsNameTheirField(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	for sent, field := range map[string]string{
		`{"limit":"USD1.00"}`:                     "customerId",
		`{"customerId":"\n","limit":"USD1.00"}`:   "customerId",
		`{"customerId":7,"limit":"USD1.00"}`:      "customerId",
		`{"customerId":".","limit":"USD1.00"}`:    "customerId",
		`{"customerId":"..","limit":"USD1.00"}`:   "customerId",
		`{"customerId":"c-none"}`:                 "limit",
		`{"customerId":"c-none","limit":5}`:       "limit",
		`{"customerId":"c-none","limit":"5"}`:     "limit",
		`{"customerId":"c-none","limit":"XYZ5"}`:  "limit",
		`{"customerId":"c-none","limit":"USD.5"}`: "limit",
		`{"customerId":"c-none","limit":null}`:    "limit",
	} {
		require.Equal(t, field, c.post("/customers", []byte(sent)).problem(422).Field, sent)
	}
	c.post("/customers", []byte(`{"customerId":"c","limit":"USD1.00","name":"Canary"}`)).problem(http.StatusBadRequest)
	require.Equal(t, "limit", c.put("/customers/c/credit-limit", map[string]any{"limit": 1}).problem(422).Field)
	require.Equal(t, "id", c.put("/customers/%0A/credit-limit", map[string]any{"limit": "USD1.00"}).problem(422).Field)
	require.Equal(t, "id", c.get("/customers/%20").problem(422).Field)
}

func TestGetCustomer_CreditAndRecentOrders(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, customerID := c.fulfill()
	var got customer
	c.awaitCustomer(customerID, func(c customer) bool { return c.Reserved != nil && c.Reserved.Minor == 24200 }).into(200, &got)
	require.Equal(t, "USD10000.00", got.Limit.String())
	require.Equal(t, "USD9758.00", got.Available.String())
	require.Equal(t, 1, got.Orders)
	require.Len(t, got.Recent, 1)
	require.Equal(t, id, got.Recent[0].OrderID)
	require.Equal(t, "USD242.00", got.Recent[0].Total.String())
	require.Equal(t, order.CreditReserved, got.Recent[0].Credit)
	require.Equal(t, time.Date(2025, 1, 1, 1, 11, 30, 0, time.UTC), *got.Recent[0].PlacedAt)
	require.NotNil(t, got.AsOf)
	require.NotNil(t, got.LagEvents)
	c.get("/customers/" + newCustomerID()).problem(http.StatusNotFound)
}

func TestGetCustomer_WithoutAccount(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, customerID := c.place()
	for range recentOrders {
		require.Equal(t, 201, c.post("/orders", body(newID(), customerID, map[string]any{"at": "2025-01-02T00:00:00Z"})).status)
	}
	var got map[string]any
	c.awaitCustomer(customerID, func(c customer) bool { return c.Orders == recentOrders+1 }).into(200, &got)
	require.Contains(t, got, "limit")
	require.Nil(t, got["limit"])
	require.Nil(t, got["reserved"])
	require.Nil(t, got["available"])
	require.Len(t, got["recent"], recentOrders)
	require.NotContains(t, c.get("/customers/"+customerID).body, id, "the oldest")
}

// counting is a log that counts how often it is asked.
type counting struct {
	mu    sync.Mutex
	asked int
	err   error
}

func (l *counting) CountEvents(ctx context.Context, _ kurrent.Follow, _ int) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return 7, l.err
}

func TestLagMeter_CountsOncePerSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &counting{}
		meter := newLagMeter(log)
		gone, leave := context.WithCancel(t.Context())
		leave()
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() { // although the view moves on between them
				lag := meter.count(t.Context(), kurrent.Position{Commit: uint64(i)})
				assert.NotNil(t, lag)
			})
		}
		all.Wait()
		require.Equal(t, 1, log.asked)
		meter.until = time.Time{}
		_ = meter.count(gone, kurrent.Position{}) // the first of them may leave
		require.NotNil(t, meter.count(t.Context(), kurrent.Position{}))
	})
}

func TestGetCustomer_UnknownLagIsNull(t *testing.T) {
	t.Parallel()
	a := shared.api()
	a.lag = newLagMeter(&counting{err: errors.New("no")})
	c := newClient(t, a)
	_, customerID := c.place()
	var got map[string]any
	c.awaitCustomer(customerID, func(customer) bool { return true }).into(200, &got)
	require.Contains(t, got, "lagEvents")
	require.Nil(t, got["lagEvents"])
}
