package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"orderflow/dev/browsertest"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// hostile is a text that runs a script wherever a page takes it for more than text. As a
// customer's id it is one that the product accepts.
const hostile = `"'><img src=x onerror=document.title='run'><script>document.title='run'</script><a href=javascript:alert(1)>`

// TestBrowser_RunsNothingOfOthers opens pages about what customers, producers and carriers
// have written, in a browser that runs scripts.
func TestBrowser_RunsNothingOfOthers(t *testing.T) {
	t.Parallel()
	a := linked()
	server := httptest.NewServer(a.handler())
	t.Cleanup(server.Close)
	c := newClient(t, a)
	id, customerID := newID(), hostile
	require.True(t, order.ValidIdentifier(customerID))
	line := map[string]any{"productId": hostile, "productName": hostile, "quantity": 1, "pricePerUnit": "USD1.00", "taxRate": 0}
	recipient := map[string]any{"title": hostile, "fullName": hostile, "emailAddress": `"<script>"@example.com`}
	require.Equal(t, http.StatusCreated, c.post("/orders", body(id, customerID, map[string]any{
		"lineItems": []any{line}, "shipping": map[string]any{"recipient": recipient, "method": hostile, "address": map[string]any{"lines": []any{hostile}}},
	})).status)
	written, err := json.Marshal(map[string]any{
		"orderId": id, "customerId": customerID, "status": "shipped", "reason": hostile, "total": "USD1.00", "carrier": hostile, "trackingNumber": hostile,
	})
	require.NoError(t, err)
	for revision, kind := range []string{"order-approved", "order-shipped"} {
		expected := kurrent.NoStream()
		if revision > 0 {
			expected = kurrent.At(uint64(revision - 1))
		}
		_, err := shared.events.Append(t.Context(), "fulfillment-"+id, expected, event(kind, written))
		require.NoError(t, err)
	}
	_, err = shared.events.Append(t.Context(), id, kurrent.At(0), event(order.TypePaid, []byte(`{"`+strings.Repeat("<script>", 3)+`":1,"amount":1}`)))
	require.NoError(t, err)
	customerPage := "/?customer=" + url.QueryEscape(customerID)
	c.saying(customerPage, id, "shipped")
	c.saying("/?order="+id, "Order shipped")

	ctx := browsertest.Start(t, 3*time.Minute)
	list := "/list?customerId=" + url.QueryEscape(customerID)
	for _, path := range []string{"/", list, "/actions/ship?order=" + id, "/?order=" + id, customerPage, "/?q=" + url.QueryEscape(hostile+"x"), "/?q=" + url.QueryEscape(strings.Repeat(hostile, 2))} {
		do(ctx, t, chromedp.Navigate(server.URL+path), chromedp.WaitVisible(chromedp.CSS("main")))
		require.NotEqual(t, "run", see(ctx, t, chromedp.Title()), path)
		require.Zero(t, see(ctx, t, chromedp.Evaluate[int](`document.querySelectorAll("img, script:not([src='/page.js']), iframe, object, embed, svg:not(figure svg), style, base").length`)), path)
		require.Zero(t, see(ctx, t, chromedp.Evaluate[int](`[...document.querySelectorAll("*")].filter(e =>
			[...e.attributes].some(a => a.name.startsWith("on")) || e.href && !/^(https?|data):/.test(e.href)).length`)), path)
		require.Empty(t, see(ctx, t, chromedp.Evaluate[string](`[...document.forms].map(f => f.action).filter(a => new URL(a).origin != location.origin).join()`)), path)
	}
	do(ctx, t, chromedp.Navigate(server.URL+customerPage), chromedp.WaitVisible(chromedp.CSS("main")))
	require.Contains(t, see(ctx, t, chromedp.Text(chromedp.CSS("h1"))), hostile, "it is shown as text")
}
