package ses_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"orderflow/dev/browsertest"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/internal/ses"
)

// TestRender_BrowserRunsNothing opens emails whose texts are hostile, with nothing around
// them to keep a script from running.
func TestRender_BrowserRunsNothing(t *testing.T) {
	t.Parallel()
	const hostile = `"'><img src=/loaded onerror=document.title='run'><script>document.title='run'</script><a href="https://evil.example.com">x</a>` +
		`<style>@import "/loaded"</style><base href=//evil.example.com><meta http-equiv=refresh content="0;/loaded">`
	var loaded atomic.Int32
	var page atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, page.Load().(string))
		case "/loaded":
			loaded.Add(1)
		}
	}))
	t.Cleanup(server.Close)
	ctx := browsertest.Start(t, 3*time.Minute)
	for _, kind := range email.Kinds() {
		got, err := ses.Render(email.Letter{
			OrderID: "order-1", Kind: kind, Name: hostile, Reason: hostile, Shipment: order.Shipment{Carrier: hostile, TrackingNumber: hostile},
			Country: hostile, AddressLines: []string{hostile}, Total: order.Money{Minor: 1, Currency: "USD"},
			Lines: []email.LetterLine{{ProductName: hostile, Quantity: 1, UnitPrice: hostile}},
		})
		require.NoError(t, err)
		page.Store(got.HTML)
		require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(server.URL), chromedp.WaitVisible(chromedp.CSS("h1"))))
		title, err := chromedp.Run(ctx, chromedp.Title())
		require.NoError(t, err)
		require.Equal(t, got.Subject, title)
		foreign, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.querySelectorAll("img, script, a, style, base, [http-equiv], [onerror]").length`))
		require.NoError(t, err)
		require.Zero(t, foreign, kind)
	}
	require.Zero(t, loaded.Load(), "an email loads nothing: it would report that it was read")
}
