package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/browsertest"
	"orderflow/internal/order"
)

// servePages serves an api's pages to a browser.
func servePages(t *testing.T, a *api) string {
	t.Helper()
	server := httptest.NewServer(a.handler())
	t.Cleanup(server.Close)
	return server.URL
}

// tabTo presses the tabulator until an element has the focus, and requires that the focus
// can be seen.
func tabTo(ctx context.Context, t *testing.T, selector string) {
	t.Helper()
	for range 80 {
		do(ctx, t, chromedp.KeyEvent(kb.Tab))
		if see(ctx, t, chromedp.Evaluate[bool](fmt.Sprintf("document.activeElement.matches(%q)", selector))) {
			require.NotEqual(t, "none", see(ctx, t, chromedp.Evaluate[string]("getComputedStyle(document.activeElement).outlineStyle")), selector)
			return
		}
	}
	require.Fail(t, "no tabulator leads there", selector)
}

// TestBrowser_LiveByKeyboard follows an order on hold from the start page to its approval,
// with scripts and without a mouse. With ORDERFLOW_PICTURES=../docs/images, and run alone,
// it makes the pictures of docs/page.md.
func TestBrowser_LiveByKeyboard(t *testing.T) {
	t.Parallel()
	a := linked()
	a.live.every = 50 * time.Millisecond
	url, c := servePages(t, a), newClient(t, a)
	c.fillPage(t)
	ctx := browsertest.Start(t, 3*time.Minute)
	window(ctx, t, 1240, "light")
	do(ctx, t, chromedp.Navigate(url+"/"), chromedp.WaitVisible(`//span[@id="live"][contains(., "Live.")]`))
	requireAccessible(ctx, t, "/")
	tabTo(ctx, t, `a[href="/list?status=on-hold"]`)
	keep(ctx, t, "page-start")
	do(ctx, t, chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(`//h1[text()="On hold orders"]`))
	keep(ctx, t, "page-list")
	customerID := holdPrefix + newCustomerID()
	do(ctx, t, chromedp.Navigate(url+"/list?status=on-hold&customerId="+customerID), chromedp.WaitVisible(`//p[text()="No orders."]`))
	do(ctx, t, chromedp.WaitVisible(`//span[@id="live"][contains(., "Live.")]`))
	held := c.holdOf(customerID)
	link := `a[href="/?order=` + held + `"]`
	do(ctx, t, chromedp.WaitVisible(chromedp.CSS(link))) // by the script
	tabTo(ctx, t, link)
	do(ctx, t, chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(`//li[contains(., "On hold")]`))
	keep(ctx, t, "page-order")
	tabTo(ctx, t, `a[href="/actions/approve?order=`+held+`"]`)
	do(ctx, t, chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS("#by")))
	tabTo(ctx, t, "#by")
	do(ctx, t, chromedp.KeyEvent("risk-7"))
	keep(ctx, t, "page-action")
	do(ctx, t, chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(`//p[@role="status"][contains(., "approv")]`))
	c.await(held, order.StatusFulfilling)
	domainEvent(t, "order-approved", held, `"customerId":"c","status":"fulfilling","total":"USD242.00"`)
	do(ctx, t, chromedp.WaitVisible(`//li[contains(., "Fulfillment started")]`)) // by the script
}

// TestBrowser_LiveKeepsFocus requires that new content leaves the focus, and a form that a
// person fills in, alone.
func TestBrowser_LiveKeepsFocus(t *testing.T) {
	t.Parallel()
	a := linked()
	a.live.every = 50 * time.Millisecond
	url, c := servePages(t, a), newClient(t, a)
	customerID := newCustomerID()
	place := func() string {
		id := newID()
		require.Equal(t, http.StatusCreated, c.post("/orders", body(id, customerID, nil)).status)
		return id
	}
	first := place()
	ctx := browsertest.Start(t, 3*time.Minute)
	window(ctx, t, 1240, "light")
	path := "/list?customerId=" + customerID
	c.saying(path, first)
	do(ctx, t, chromedp.Navigate(url+path), chromedp.WaitVisible(`//span[@id="live"][contains(., "Live.")]`))
	focused := `a[href="/?order=` + first + `"]`
	tabTo(ctx, t, focused)
	do(ctx, t, chromedp.WaitVisible(chromedp.CSS(`a[href="/?order=`+place()+`"]`)))
	require.True(t, see(ctx, t, chromedp.Evaluate[bool](fmt.Sprintf("document.activeElement.matches(%q)", focused))))
}

func TestBrowser_ActsWithoutScript(t *testing.T) {
	t.Parallel()
	a := linked()
	url, c := servePages(t, a), newClient(t, a)
	id, _ := c.fulfillWith(twoLines())
	ctx := chromium(t)
	window(ctx, t, 1100, "light")
	ship := func(number, want string, quantities ...chromedp.Action[chromedp.Void]) {
		require.EventuallyWithT(t, func(now *assert.CollectT) { // the order may not be ready for a shipment yet
			do(ctx, t, chromedp.Navigate(url+"/?order="+id), chromedp.Click(`//a[text()="Ship…"]`), chromedp.WaitVisible(chromedp.CSS("#carrier")))
			do(ctx, t, quantities...)
			do(ctx, t, chromedp.SendKeys(chromedp.CSS("#carrier"), "DHL"), chromedp.SendKeys(chromedp.CSS("#trackingNumber"), number))
			keep(ctx, t, "parcel-"+number)
			do(ctx, t, chromedp.SendKeys(chromedp.CSS("#trackingNumber"), "\n"))
			do(ctx, t, chromedp.WaitVisible(`//p[@role="status" or @role="alert"]`))
			text := see(ctx, t, chromedp.Text(chromedp.CSS("main")))
			require.Contains(now, text, want)
		}, time.Minute, 100*time.Millisecond)
		require.Contains(t, see(ctx, t, chromedp.Text(chromedp.CSS("main"))), number)
	}
	ship("00340434292135100179", "The order accepted the shipment.",
		chromedp.SetValue(chromedp.CSS("#line-1"), "1"), chromedp.SetValue(chromedp.CSS("#line-2"), "0"))
	require.Equal(t, []order.ParcelLine{{Line: 1, Quantity: 1}}, c.await(id, order.StatusFulfilling).Parcels[0].Lines)
	ship("00340434292135100186", "The order is shipped.") // with all that is filled in
	do(ctx, t, chromedp.Navigate(url+"/list"), chromedp.SetValue(chromedp.CSS("#status"), "shipped"), chromedp.Click(`//button[text()="Filter"]`),
		chromedp.WaitVisible(`//h1[text()="Shipped orders"]`))
	do(ctx, t, chromedp.Navigate(url+"/list"), chromedp.Click(chromedp.CSS("#late")), chromedp.Click(`//button[text()="Filter"]`),
		chromedp.WaitVisible(`//h1[text()="Late orders"]`))
	keep(ctx, t, "late")
}

// holdOf places an order of a customer, and lets its workflow run until it is on hold.
func (c *caller) holdOf(customerID string) (id string) {
	c.t.Helper()
	id = newID()
	require.Equal(c.t, http.StatusCreated, c.post("/customers", map[string]any{"customerId": customerID, "limit": "USD1.00"}).status)
	require.Equal(c.t, http.StatusCreated, c.post("/orders", body(id, customerID, map[string]any{"at": nil})).status)
	require.NoError(c.t, shared.begin(c.ctx, id))
	c.await(id, order.StatusOnHold)
	return id
}

// fillPage gives pictures something to show.
func (c *caller) fillPage(t *testing.T) {
	t.Helper()
	if os.Getenv("ORDERFLOW_PICTURES") == "" {
		return
	}
	conn, err := pgx.Connect(t.Context(), shared.postgresURL)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err = conn.Exec(t.Context(), `
		INSERT INTO customer_order_hour SELECT date_trunc('hour', now()) - n * interval '1 hour', figure,
			(weight * (1.2 + sin(n / 3.8)) + n % 3)::bigint
		FROM generate_series(1, 23) AS n, (VALUES ('placed', 18), ('shipped', 14), ('cancelled', 1.5)) AS f (figure, weight) ON CONFLICT DO NOTHING`)
	require.NoError(t, err)
	for n, customerID := range []string{
		"customer-41", "customer-07", holdPrefix + "customer-12", "customer-88", holdPrefix + "customer-30", "customer-41", "customer-63",
	} {
		if strings.HasPrefix(customerID, holdPrefix) {
			c.holdOf(customerID)
			continue
		}
		id := newID()
		require.Equal(t, http.StatusCreated, c.post("/orders", body(id, customerID, map[string]any{"at": nil})).status)
		require.NoError(t, shared.begin(t.Context(), id))
		c.await(id, order.StatusFulfilling)
		domainEvent(t, "order-approved", id, `"customerId":"`+customerID+`","status":"fulfilling","total":"USD242.00"`)
		if n < 2 {
			c.ship(id)
			domainEvent(t, "order-shipped", id, `"customerId":"`+customerID+`","status":"shipped","total":"USD242.00","carrier":"DHL","trackingNumber":"00340434292135100186"`)
		}
	}
}
