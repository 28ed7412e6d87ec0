package main

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"orderflow/dev/browsertest"
)

// chromium starts a headless browser in which pages may run no JavaScript.
func chromium(t *testing.T) context.Context {
	t.Helper()
	ctx := browsertest.Start(t, 3*time.Minute)
	_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	return ctx
}

func do(ctx context.Context, t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	require.NoError(t, chromedp.Do(ctx, steps...))
}

func see[T any](ctx context.Context, t *testing.T, what chromedp.Action[T]) T {
	t.Helper()
	got, err := chromedp.Run(ctx, what)
	require.NoError(t, err)
	return got
}

// window sets the size and the reader's colors.
func window(ctx context.Context, t *testing.T, width int64, scheme string) {
	t.Helper()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(t, err)
	do(ctx, t, chromedp.EmulateViewport(width, 900))
}

// keep saves a picture where ORDERFLOW_PICTURES says, for people to look at.
func keep(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	if dir := os.Getenv("ORDERFLOW_PICTURES"); dir != "" {
		picture := see(ctx, t, chromedp.FullScreenshot(100))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600))
	}
}

func TestBrowser_SearchToCustomerAndBack(t *testing.T) {
	t.Parallel()
	a := linked()
	c := newClient(t, a)
	id, customerID := c.fulfill()
	domainEvent(t, "order-approved", id, `"customerId":"`+customerID+`","status":"fulfilling"`)
	c.ship(id)
	domainEvent(t, "order-shipped", id, `"customerId":"`+customerID+`","status":"shipped","carrier":"DHL","trackingNumber":"00340434292135100186"`)
	c.awaitCustomer(customerID, func(c customer) bool { return len(c.Recent) == 1 && c.Recent[0].Status == "shipped" })
	held, _ := c.hold()
	waiting, _ := c.fulfillWith(twoLines())
	server := httptest.NewServer(a.handler())
	t.Cleanup(server.Close)
	ctx := chromium(t)

	window(ctx, t, 1100, "light")
	do(ctx, t, chromedp.Navigate(server.URL+"/"), chromedp.WaitVisible(`//h1[text()="Orders"]`))
	keep(ctx, t, "home")
	do(ctx, t, chromedp.SendKeys(chromedp.CSS("#q"), id+"\n"), chromedp.WaitVisible(`//ol/li[contains(., "Order shipped")]`))
	require.Equal(t, id+" · Orderflow", see(ctx, t, chromedp.Title()))
	require.Contains(t, see(ctx, t, chromedp.Text(chromedp.CSS("ol"))), "DHL, 00340434292135100186")
	keep(ctx, t, "order")
	do(ctx, t, chromedp.Click(`//dd/a`), chromedp.WaitVisible(`//h2[text()="Newest orders"]`))
	keep(ctx, t, "customer")
	do(ctx, t, chromedp.Click(`//td/a`), chromedp.WaitVisible(`//ol/li[contains(., "Credit reserved")]`))

	for _, scheme := range []string{"light", "dark"} {
		window(ctx, t, 320, scheme)
		for _, path := range []string{
			"/", "/list", "/list?status=x", "/list?late=true", "/actions/cancel?order=" + id, "/?order=" + id, "/?order=" + held, "/?customer=" + customerID, "/?q=nobody",
			"/actions/ship?order=" + waiting, "/actions/decline?order=" + held,
		} {
			do(ctx, t, chromedp.Navigate(server.URL+path), chromedp.WaitVisible(chromedp.CSS("main")))
			require.LessOrEqual(t, see(ctx, t, chromedp.Evaluate[int](`document.documentElement.scrollWidth`)), 320, path)
			requireAccessible(ctx, t, path)
		}
		for name, path := range map[string]string{"order": "/?order=" + id, "home": "/", "list": "/list", "action": "/actions/ship?order=" + waiting} {
			do(ctx, t, chromedp.Navigate(server.URL+path), chromedp.WaitVisible(chromedp.CSS("main")))
			keep(ctx, t, "narrow-"+name+"-"+scheme)
		}
	}
	window(ctx, t, 1100, "dark")
	do(ctx, t, chromedp.Navigate(server.URL+"/?q=nobody"), chromedp.WaitVisible(chromedp.CSS("main")))
	keep(ctx, t, "nothing")
}

// requireAccessible looks for landmarks, names and contrast of at least 4.5 in what a
// page shows.
func requireAccessible(ctx context.Context, t *testing.T, path string) {
	t.Helper()
	require.Equal(t, "1 1 1 1 en", see(ctx, t, chromedp.Evaluate[string](`
		["main", "header", "footer", "h1"].map(s => document.querySelectorAll(s).length).concat(document.documentElement.lang).join(" ")`)), path)
	require.Zero(t, see(ctx, t, chromedp.Evaluate[int](`
		[...document.querySelectorAll("input:not([type=hidden]), select")].filter(i => !i.labels.length).length
		+ [...document.querySelectorAll("th")].filter(h => !h.scope).length
		+ [...document.querySelectorAll("a, button")].filter(a => !a.textContent.trim()).length`)), path)
	require.Empty(t, see(ctx, t, chromedp.Evaluate[string](`(() => {
		const light = c => { const [r, g, b] = c.match(/[\d.]+/g).slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
			return .2126 * r + .7152 * g + .0722 * b };
		const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\)$/.test(c)) return c }; return "rgb(255,255,255)" };
		return [...document.querySelectorAll("body *")].filter(e => [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())).filter(e => {
			const a = light(getComputedStyle(e).color), b = light(ground(e));
			return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5 }).map(e => e.outerHTML).join("\n") })()`)), path)
}
