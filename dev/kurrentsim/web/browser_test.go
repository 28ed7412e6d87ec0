package web_test

import (
	"context"
	"net/http/httptest"
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

func TestPages_InABrowser(t *testing.T) {
	t.Parallel()
	s := newTestBrowser(t)
	s.append("order-1", "placed", `{"customer":"Grace"}`, 30)
	s.append("order-"+hostile, hostile, `{"a":"`+"</pre><script>document.title='pwned'</script>"+`"}`, 1)
	s.group("$ce-order", "fulfillment", "quantity: must be at least 1", 3)
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	ctx := chromium(t)

	do(ctx, t,
		chromedp.Navigate(server.URL+"/"),
		chromedp.WaitVisible(`//h1[text()="Recently changed streams"]`),
		chromedp.Click(`//a[contains(text(), "onerror")]`),
		chromedp.WaitVisible(`//h1[contains(text(), "onerror")]`))
	require.Equal(t, "order-"+hostile+" · kurrentsim", see(ctx, t, chromedp.Title()), "shown as text, and no script ran")
	do(ctx, t, chromedp.Click(`//td/a[text()="0"]`), chromedp.WaitVisible(chromedp.CSS("pre")))
	require.Equal(t, "0@order-"+hostile+" · kurrentsim", see(ctx, t, chromedp.Title()))
	require.Contains(t, see(ctx, t, chromedp.Text(chromedp.CSS("pre"))), "</pre><script>")

	do(ctx, t,
		chromedp.SendKeys(chromedp.CSS("input[name=name]"), "order-1\n"),
		chromedp.WaitVisible(`//h1[text()="order-1"]`),
		chromedp.Click(`//a[text()="Older"]`),
		chromedp.Click(`//td/a[text()="4"]`),
		chromedp.WaitVisible(`//span[@class="string" and text()='"Grace"']`),
		chromedp.Click(`//a[text()="Persistent subscriptions"]`),
		chromedp.Click(`//a[text()="fulfillment"]`),
		chromedp.WaitVisible(`//h2[contains(text(), "Parked messages")]`))
	require.Contains(t, see(ctx, t, chromedp.Text(chromedp.CSS("td.wrap"))), "quantity: must be at least 1")
	do(ctx, t, chromedp.Click(`//td/a[text()="2@order-1"]`), chromedp.WaitVisible(`//h1[text()="2@order-1"]`))
	require.Equal(t, "2@order-1 · kurrentsim", see(ctx, t, chromedp.Title()))
	require.NotEqual(t, background(ctx, t, "light"), background(ctx, t, "dark"), "the style sheet follows the reader's choice")
}

func do(ctx context.Context, t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	require.NoError(t, chromedp.Do(ctx, steps...))
}

func see[T any](ctx context.Context, t *testing.T, what chromedp.Action[T]) T {
	t.Helper()
	seen, err := chromedp.Run(ctx, what)
	require.NoError(t, err)
	return seen
}

// background returns the page's color for readers who prefer the scheme.
func background(ctx context.Context, t *testing.T, scheme string) string {
	t.Helper()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(t, err)
	return see(ctx, t, chromedp.Evaluate[string](`getComputedStyle(document.body).backgroundColor`))
}
