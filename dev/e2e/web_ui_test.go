package e2e_test

import (
	"context"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"orderflow/dev/browsertest"
	"orderflow/internal/order"
)

// screenshots makes the test of the Web UI write the pictures of docs/web-ui.md.
var screenshots = flag.Bool("screenshots", false, "write the pictures of docs/web-ui.md into docs/images")

// pageWidth is the width of the pictures.
const pageWidth = 1280

// webUI is a browser that looks at the Temporal Web UI of a stack.
type webUI struct {
	*stackClient
	ctx context.Context
}

func newWebUI(t *testing.T, s *stackClient) *webUI {
	t.Helper()
	require.NotEmpty(t, s.stack.TemporalUI)
	return &webUI{stackClient: s, ctx: browsertest.Start(t, 3*patience)}
}

// columns are the columns of the list of workflows that docs/web-ui.md recommends.
const columns = `{"default": [{"label": "Status"}, {"label": "Workflow ID"}, {"label": "OrderStatus"}, {"label": "OrderStuck"},
	{"label": "OrderTotalMinor"}, {"label": "Currency"}, {"label": "Start"}]}`

// view is a page of the Web UI, and what it shows.
type view struct {
	path    string
	picture string // of its upper part, in docs/images; empty means none
	height  int64  // of the window
	texts   []string
}

// open opens a page, waits until it shows its texts, and takes its picture if the test is
// asked to.
func (u *webUI) open(t *testing.T, v view) {
	t.Helper()
	require.NoError(t, chromedp.Do(u.ctx, chromedp.EmulateViewport(pageWidth, v.height), chromedp.Navigate(u.stack.TemporalUI+v.path)))
	u.awaitText(t, v.texts...)
	if v.picture == "" || !*screenshots {
		return
	}
	shot, err := chromedp.Run(u.ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll("../../docs/images", 0o755))
	require.NoError(t, os.WriteFile(filepath.Join("../../docs/images", v.picture+".png"), shot, 0o644))
}

// awaitText waits until the page shows all of the texts, in whatever order. Temporal's
// markdown is in frames of its own.
func (u *webUI) awaitText(t *testing.T, texts ...string) {
	t.Helper()
	const shown = `[document, ...[...document.querySelectorAll("iframe")].map(f => f.contentDocument)]
		.map(d => d && d.body ? d.body.innerText : "").join("\n")`
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		text, err := chromedp.Run(u.ctx, chromedp.Evaluate[string](shown))
		require.NoError(c, err)
		for _, want := range texts {
			require.Contains(c, strings.Join(strings.Fields(text), " "), want)
		}
	}, patience, 200*time.Millisecond)
}

// click waits for elements that the script finds on the page, and clicks on the first.
func (u *webUI) click(t *testing.T, find string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		clicked, err := chromedp.Run(u.ctx, chromedp.Evaluate[bool](`(found => { if (found.length) found[0].click(); return found.length > 0 })(`+find+`)`))
		require.NoError(c, err)
		require.True(c, clicked, find)
	}, patience, 200*time.Millisecond)
}

// orderPath returns the path of a tab of the current run of an order.
func (u *webUI) orderPath(id, tab string) string { return runPath(id, u.currentRun(id), tab) }

func runPath(id, run, tab string) string {
	return "/namespaces/default/workflows/" + id + "/" + run + "/" + tab
}

func listPath(query string) string {
	return "/namespaces/default/workflows?query=" + url.QueryEscape(query)
}

// The orders have short ids, so that the pictures can be read.
func TestWebUI_Orders(t *testing.T) {
	t.Parallel()
	own, err := startStack(t.TempDir(), []string{"CREDIT_HOLD=30m", "CREDIT_DEFAULT_LIMIT=USD=10000.00"}, "--rate", "0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, own.stop()) })
	s := newStackClientFor(t, own)
	s.place(orderSpec{id: "order-held", customer: "customer-1001", price: overTheLimit})
	s.place(orderSpec{id: "order-stuck", customer: "customer-1002", price: "EUR100.00"})
	s.place(orderSpec{id: "order-canceled", customer: "customer-1003"})
	s.place(orderSpec{id: "order-shipped", customer: "customer-1004"})
	s.place(orderSpec{id: "order-continued", customer: "customer-1005"})
	for _, id := range []string{"order-canceled", "order-shipped", "order-continued"} {
		s.awaitMail(id, order.StatusFulfilling, "sent")
	}
	require.NoError(t, s.temporal.CancelWorkflow(t.Context(), "order-canceled", ""))
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed("order-canceled"))
	s.signal("order-shipped", "record-shipment", shipped)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed("order-shipped"))
	first := s.continueAsNew("order-continued")
	s.awaitStatus("order-held", order.StatusOnHold)
	s.awaitListed(`OrderStuck="reserve-credit"`, 1)

	u := newWebUI(t, s)
	t.Run("lists orders by search attributes", u.listsOrders)
	t.Run("shows why an order is on hold, and takes messages to it", func(t *testing.T) {
		u.open(t, view{u.orderPath("order-held", "history"), "web-ui-held-history", 1000, []string{
			"Running", "credit hold", "Local Activity Activity Type ReserveCredit Summary reserve USD14520.00", "USD14520.00 for customer-1001",
		}})
		u.open(t, view{u.orderPath("order-held", "user-metadata"), "web-ui-held", 800, []string{
			"USD14520.00 for customer-1001", "Placed at 2025-01-01T01:11:30Z by customer-1001", "on-hold: INSUFFICIENT_CREDIT", "credit: held",
			"credit hold Started",
		}})
		u.click(t, `[...document.querySelectorAll("button")].filter(b => b.innerText.includes("More Actions") && b.offsetParent)`)
		u.awaitText(t, "Send a Signal", "Send an Update")
	})
	t.Run("shows where an order is stuck, and why", func(t *testing.T) {
		u.open(t, view{u.orderPath("order-stuck", "user-metadata"), "web-ui-stuck", 800, []string{
			"EUR242.00 for customer-1002", "stuck at reserve-credit: reserve credit: no default credit limit for EUR",
		}})
		u.open(t, view{u.orderPath("order-stuck", "metadata"), "", 800, []string{`"OrderStuck": "reserve-credit"`}})
	})
	t.Run("shows what was done for an order that has shipped", func(t *testing.T) {
		u.open(t, view{u.orderPath("order-shipped", "history"), "web-ui-shipped", 1130, []string{
			"Completed", `"status": "shipped"`, `"carrier": "DHL"`, "ReserveCredit Summary reserve USD242.00", "StartFulfillment Summary start fulfillment",
			"SendEmail • confirmation email", "record-shipment", "CloseFulfillment Summary close as shipped", "SendEmail • shipment email",
		}})
	})
	t.Run("shows what was compensated for an order that was canceled", func(t *testing.T) {
		u.open(t, view{u.orderPath("order-canceled", "history"), "web-ui-canceled", 1130, []string{
			"Canceled", `"status": "cancelled"`, "CloseFulfillment Summary close as cancelled", "ReleaseCredit Summary release: CANCELLED",
			"SendEmail • cancellation email",
		}})
	})
	t.Run("shows the runs of an order that has continued as new", func(t *testing.T) {
		u.open(t, view{runPath("order-continued", first, "history"), "", 1000, []string{"Continued as New"}})
		u.open(t, view{u.orderPath("order-continued", "relationships"), "", 1000, []string{"Running", first}})
		u.open(t, view{u.orderPath("order-continued", "user-metadata"), "web-ui-continued", 800, []string{
			"Running", "USD242.00 for customer-1005", "fulfilling", "credit: reserved",
		}})
	})
}

// The stack leads the Web UI to the api, which decrypts.
func TestWebUI_EncryptedPayloads(t *testing.T) {
	t.Parallel()
	e := newEncryptedStack(t)
	id := e.place(orderSpec{customer: "customer-1001"})
	e.awaitMail(id, order.StatusFulfilling, "sent")
	e.signal(id, "record-shipment", shipped)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, e.closed(id))
	require.NotContains(t, e.stored().text.String(), "DHL")
	u := newWebUI(t, e.stackClient)
	u.open(t, view{u.orderPath(id, "history"), "", 1130, []string{
		`"carrier": "DHL"`, "Summary reserve USD242.00",
	}})
}

func (u *webUI) listsOrders(t *testing.T) {
	require.NoError(t, chromedp.Do(u.ctx, chromedp.Navigate(u.stack.TemporalUI+listPath(""))))
	_, err := chromedp.Run(u.ctx, chromedp.Evaluate[any](`localStorage.setItem("namespace-workflow-table-columns", JSON.stringify(`+columns+`))`))
	require.NoError(t, err)
	u.open(t, view{listPath(`WorkflowType="OrderFulfillment"`), "web-ui-list", 640, []string{
		"6 Workflows", "1 Continued as New", "OrderStuck", "order-held", "on-hold", "order-stuck", "reserve-credit", "1452000",
	}})
	for _, link := range u.links(t) {
		u.open(t, view{link.path, "", 640, []string{link.orders}})
	}
	u.open(t, view{listPath(`OrderStuck IS NOT NULL AND ExecutionStatus="Running"`), "", 640, []string{"1 Workflow ", "order-stuck"}})
	u.click(t, `document.querySelectorAll("thead input[type=checkbox]")`)
	u.awaitText(t, "1 selected", "Request Cancellation", "Reset", "Terminate")
}

// uiLink is a link of docs/web-ui.md to the local stack, and the number of orders that it
// finds here.
type uiLink struct{ path, orders string }

func (u *webUI) links(t *testing.T) []uiLink {
	t.Helper()
	text, err := os.ReadFile("../../docs/web-ui.md")
	require.NoError(t, err)
	found := regexp.MustCompile(`\| ([a-z ]+) \| <http://localhost:8233(/namespaces/\S+)> \|`).FindAllStringSubmatch(string(text), -1)
	orders := map[string]string{
		"are on hold": "1 Workflow ", "are stuck": "1 Workflow ", "wait for their shipment": "1 Workflow ", "failed": "0 Workflows ",
	}
	require.Len(t, found, len(orders))
	var links []uiLink
	for _, link := range found {
		require.Contains(t, orders, link[1])
		links = append(links, uiLink{link[2], orders[link[1]]})
	}
	return links
}

// continueAsNew fills the history of an order with signals until it continues as new, and
// returns its first run.
func (s *stackClient) continueAsNew(id string) (first string) {
	s.t.Helper()
	first = s.currentRun(id)
	noise := make([]byte, 1<<20)
	for range 5 {
		require.NoError(s.t, s.temporal.SignalWorkflow(s.t.Context(), id, "", "noise", noise))
	}
	require.Eventually(s.t, func() bool { return s.currentRun(id) != first }, patience, 100*time.Millisecond)
	return first
}
