package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

// requests are one that would do something for every route.
func requests() map[string]any {
	id := newID()
	return map[string]any{
		"POST /orders":                            body(id, "c", nil),
		"GET /orders":                             nil,
		"GET /orders/stats":                       nil,
		"GET /orders/" + id:                       nil,
		"POST /orders/" + id + "/cancel":          wish,
		"POST /orders/" + id + "/shipments":       shipment,
		"POST /orders/" + id + "/credit-approval": decision,
		"POST /orders/" + id + "/credit-refusal":  decision,
		"POST /customers":                         map[string]any{"customerId": "c-guard", "limit": "USD1.00"},
		"GET /customers/c":                        nil,
		"PUT /customers/c/credit-limit":           map[string]any{"limit": "USD1.00"},
		"GET /?q=c":                               nil,
		"GET /openapi.yaml":                       nil,
		"GET /style.css":                          nil,
		"GET /page.js":                            nil,
		"GET /list":                               nil,
		"GET /actions/cancel?order=" + id:         nil,
		"POST /actions/cancel":                    url.Values{"order": {id}, "reason": {"test"}},
	}
}

// everywhere makes each request, changed.
func everywhere(c *caller, change func(*http.Request), look func(request string, got reply)) {
	for request, sent := range requests() {
		method, path, _ := strings.Cut(request, " ")
		look(request, c.ask(method, path, sent, change))
	}
}

func TestGuard_WithoutTokensServesLoopbackHostsOnly(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	for _, host := range []string{"evil.example.com", "evil.example.com:8080", "localhost.evil.example.com", "192.0.2.1", "127.0.0.1.nip.io:80"} {
		everywhere(c, func(r *http.Request) { r.Host = host }, func(request string, got reply) {
			require.Equal(t, http.StatusMisdirectedRequest, got.status, "%s %s", host, request)
		})
	}
	for _, host := range []string{"localhost", "localhost:8080", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8080"} {
		require.Equal(t, http.StatusOK, c.ask("GET", "/style.css", nil, func(r *http.Request) { r.Host = host }).status, host)
	}
}

func TestGuard_RefusesCrossSiteWrites(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	for _, change := range []func(*http.Request){
		func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://evil.example.com")
		},
		func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		everywhere(c, change, func(request string, got reply) {
			require.Equal(t, !strings.HasPrefix(request, "GET "), got.status == http.StatusForbidden, request)
		})
	}
	require.Empty(t, c.get("/style.css").header.Get("Access-Control-Allow-Origin"))
}

func TestRoutes_UnknownPathOrMethod(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	c.get("/nowhere").problem(http.StatusNotFound)
	c.get("/orders/").problem(http.StatusNotFound)
	for path, allow := range map[string]string{
		"/orders": "GET, HEAD, POST", "/orders/order-1": "GET, HEAD", "/orders/order-1/cancel": "POST", "/orders/order-1/shipments": "POST", "/customers/c/credit-limit": "PUT", "/": "GET, HEAD",
	} {
		got := c.ask(http.MethodDelete, path, nil)
		got.problem(http.StatusMethodNotAllowed)
		require.Equal(t, allow, got.header.Get("Allow"))
		got = c.ask(http.MethodOptions, path, nil)
		require.Equal(t, http.StatusNoContent, got.status)
		require.Equal(t, allow+", OPTIONS", got.header.Get("Allow"))
	}
}

// FuzzRoutes asks for what no client means: no path and no query is the api's own fault.
func FuzzRoutes(f *testing.F) {
	for _, path := range []string{
		"/customers/%ff", "/orders/order-%ff", "/orders/order-%ff/cancel", "/orders/order-%ff/shipments", "/customers/%00", "/customers/a%c3/credit-limit", "/%ff",
		"/orders/%2e%2e", "/customers/..%2f", "//", "/?q=%ff", "/?order=%00", "/?customer=%ed%a0%80&q=%", "/?;", "/openapi.yaml?%ff",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
			f.Add(method, path, `{"reason":"r","limit":"USD1.00"}`)
		}
	}
	a := shared.api()
	var logged bytes.Buffer
	a.logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelError}))
	handler := a.handler()
	f.Fuzz(func(t *testing.T, method, target, body string) {
		parsed, err := url.ParseRequestURI(target)
		if err != nil || method == "" || parsed.Path == "/live" /* a stream has no end */ || strings.ContainsFunc(method, func(r rune) bool { return r < 'A' || r > 'Z' }) {
			return // no request
		}
		r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost/", strings.NewReader(body))
		r.URL, r.Host = parsed, "localhost"
		r.Header.Set("Content-Type", jsonType)
		answered := httptest.NewRecorder()
		handler.ServeHTTP(answered, r)
		require.Less(t, answered.Code, http.StatusInternalServerError, "%s %q: %s", method, target, answered.Body)
		require.Empty(t, withoutAudit(logged.String()))
		logged.Reset()
	})
}

func TestRoutes_Head(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.place()
	got := c.ask(http.MethodHead, "/orders/"+id, nil)
	require.Equal(t, http.StatusOK, got.status)
	require.Empty(t, got.body)
	require.Equal(t, http.StatusNotFound, c.ask(http.MethodHead, "/orders/"+newID(), nil).status)
}

func TestGuard_SetsSecurityHeaders(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	everywhere(c, func(*http.Request) {}, func(request string, got reply) {
		require.Equal(t, policy, got.header.Get("Content-Security-Policy"), request)
		require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"), request)
		require.Equal(t, "no-store", got.header.Get("Cache-Control"), request)
	})
}

// broken is every store at once, answering with one error, or not before the request is
// over.
type broken struct {
	err  error
	wait bool
}

func (b broken) fail(ctx context.Context) error {
	if b.wait {
		<-ctx.Done()
		return errors.Join(b.err, ctx.Err())
	}
	return b.err
}

func (b broken) FindState(ctx context.Context, _ string) (order.State, error) {
	return order.State{}, b.fail(ctx)
}

func (b broken) Open(ctx context.Context, _ string, _ order.Money) (bool, error) {
	return false, b.fail(ctx)
}

func (b broken) ChangeLimit(ctx context.Context, _ string, _ order.Money) (bool, error) {
	return false, b.fail(ctx)
}

func (b broken) FindCustomer(ctx context.Context, _ string, _ int) (postgres.ViewCustomer, error) {
	return postgres.ViewCustomer{}, b.fail(ctx)
}

func (b broken) FindOrder(ctx context.Context, _ string) (postgres.ViewOrder, error) {
	return postgres.ViewOrder{}, b.fail(ctx)
}

func (b broken) ListOrders(ctx context.Context, _ postgres.OrderFilter, _ int) (postgres.OrderPage, error) {
	return postgres.OrderPage{}, b.fail(ctx)
}

func (b broken) OrderStats(ctx context.Context, _, _ time.Time) (postgres.OrderStats, error) {
	return postgres.OrderStats{}, b.fail(ctx)
}

func (b broken) FindAttention(ctx context.Context, _, _ int) (postgres.Attention, error) {
	return postgres.Attention{}, b.fail(ctx)
}

func (b broken) Position(ctx context.Context, _ postgres.Projection) (postgres.ViewPosition, error) {
	return postgres.ViewPosition{}, b.fail(ctx)
}

func (b broken) Append(ctx context.Context, _ string, _ kurrent.Expected, _ ...kurrent.NewEvent) (uint64, error) {
	return 0, b.fail(ctx)
}

func (b broken) ReadStream(ctx context.Context, _ string, _ uint64, _ int, _ func(kurrent.Event) error) error {
	return b.fail(ctx)
}

func (b broken) FindPlaced(ctx context.Context, _ string) (kurrent.Event, error) {
	return kurrent.Event{}, b.fail(ctx)
}

func (b broken) UpdateWorkflow(ctx context.Context, _ client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	return nil, b.fail(ctx)
}

func (b broken) DescribeWorkflow(ctx context.Context, _, _ string) (*client.WorkflowExecutionDescription, error) {
	return nil, b.fail(ctx)
}

func (b broken) QueryWorkflow(ctx context.Context, _, _, _ string, _ ...any) (converter.EncodedValue, error) {
	return nil, b.fail(ctx)
}

// over is an api whose stores are all broken.
func (b broken) over(log *bytes.Buffer) *api {
	a := shared.api()
	a.streams, a.accounts, a.rows, a.workflows, a.view, a.lists = b, b, b, b, b, b
	a.logger = slog.New(slog.NewTextHandler(log, nil))
	return a
}

func TestProblem_HidesInternalErrors(t *testing.T) {
	t.Parallel()
	for status, err := range map[int]error{
		http.StatusServiceUnavailable:  errors.Join(kurrent.ErrUnavailable, errors.New("dial canary:2113")),
		http.StatusInternalServerError: errors.New("canary"),
	} {
		var log bytes.Buffer
		c := newClient(t, broken{err: err}.over(&log))
		everywhere(c, func(*http.Request) {}, func(request string, got reply) {
			if strings.HasSuffix(request, ".css") || strings.HasSuffix(request, ".js") || strings.HasSuffix(request, ".yaml") {
				require.Equal(t, http.StatusOK, got.status)
				return
			}
			require.Equal(t, status, got.status, request)
			require.NotContains(t, got.body, "canary")
			if request != "GET /?q=c" {
				require.Equal(t, status == http.StatusServiceUnavailable, got.header.Get("Retry-After") != "", request)
			}
		})
		require.Contains(t, log.String(), "canary", "the operator is told")
		require.NotContains(t, withoutAudit(log.String()), "order-", "a route is logged, and no id")
		require.NotContains(t, log.String(), "customers/c", "nor a customer's")
	}
}

func TestProblem_OfPanickingHandler(t *testing.T) {
	t.Parallel()
	a := shared.api()
	a.rows = nil
	var log bytes.Buffer
	a.logger = slog.New(slog.NewTextHandler(&log, nil))
	newClient(t, a).get("/orders/" + newID()).problem(http.StatusInternalServerError)
	require.Contains(t, log.String(), "handler panicked")
}

func TestLimitConcurrency(t *testing.T) {
	t.Parallel()
	a := shared.api()
	reached, release := make(chan struct{}), make(chan struct{})
	busy := a.limitConcurrency(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached <- struct{}{}; <-release }))
	c := newClient(t, a)
	server := serveOnly(t, busy)
	for range maxRequests {
		go func() {
			if response, err := server.Client().Get(server.URL); err == nil {
				_ = response.Body.Close()
			}
		}()
		<-reached
	}
	for request, sent := range requests() {
		method, path, _ := strings.Cut(request, " ")
		r := c.request(method, path, sent)
		r.URL.Host = strings.TrimPrefix(server.URL, "http://")
		response, err := c.client.Do(r)
		require.NoError(t, err)
		_ = response.Body.Close()
		require.Equal(t, http.StatusServiceUnavailable, response.StatusCode, request)
		require.Equal(t, "5", response.Header.Get("Retry-After"))
	}
	close(release)
}

func TestInstrument_CountsRequestsByRoute(t *testing.T) {
	t.Parallel()
	a := shared.api()
	var routes []string
	a.observe = func(route string, status int, took time.Duration) {
		assert.Positive(t, took)
		routes = append(routes, route+" "+http.StatusText(status))
	}
	c := newClient(t, a)
	c.get("/orders/" + newID())
	c.get("/nowhere")
	c.get("/style.css") // its handler never names a status
	require.Equal(t, []string{"GET /orders/{id} Not Found", " Not Found", "GET /style.css OK"}, routes)
	a.instrument(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	require.Equal(t, " OK", routes[3])
}

// unsearchable is a Temporal whose visibility store is unavailable.
type unsearchable struct{ workflowSearch }

func (unsearchable) ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	return nil, errors.New("unavailable")
}

func (unsearchable) CountWorkflow(context.Context, *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	return nil, errors.New("unavailable")
}
