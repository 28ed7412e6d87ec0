package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/opstest"
)

// away is an address where no server is.
const away = "127.0.0.1:1"

// runProcess runs an api of its own, with some settings of its own.
func runProcess(t *testing.T, binary string, environ ...string) (*opstest.Daemon, *caller) {
	t.Helper()
	c := process(t, binary, shared.kurrentURL, "127.0.0.1:0")
	daemon := opstest.Start(t, func(ctx context.Context, log io.Writer) error {
		running := exec.CommandContext(ctx, c.Path)
		running.Cancel = func() error { return running.Process.Signal(syscall.SIGTERM) }
		running.Env, running.Stderr = append(append(c.Env, "OPS_ADDR=127.0.0.1:0"), environ...), log
		if err := running.Run(); !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	})
	return daemon, &caller{
		t: t, ctx: t.Context(), url: "http://" + daemon.Find(`api is running.*(127\.0\.0\.1:\d+)`),
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// awaitState waits until the daemon is ready and says of each server whether it answers.
func awaitState(t *testing.T, d *opstest.Daemon, missing string) {
	t.Helper()
	require.EventuallyWithT(t, func(now *assert.CollectT) {
		status, body, _ := d.Get("/readyz")
		require.Equal(now, http.StatusOK, status, body)
		var said map[string]string
		require.NoError(now, json.Unmarshal([]byte(body), &said))
		require.Len(now, said, 4, body)
		for name, what := range said {
			require.NotEqual(now, "not known yet", what)
			require.Equal(now, name == missing || missing == "all" && name != "api", what != "ok", body)
		}
	}, time.Minute, 50*time.Millisecond)
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	d, c := runProcess(t, build(t), "KURRENTDB_URL=kurrentdb://"+away+"?tls=false", "POSTGRES_URL=postgres://"+away+"/x", "TEMPORAL_ADDRESS="+away)
	awaitState(t, d, "all")
	d.Await("/healthz", http.StatusOK)
	d.Await("/metrics", http.StatusOK, `orderflow_check_passing{check="api"} 1`, `orderflow_check_passing{check="kurrentdb"} 0`,
		`orderflow_check_passing{check="postgres"} 0`, `orderflow_check_passing{check="temporal"} 0`)
	require.Equal(t, http.StatusOK, c.get("/openapi.yaml").status)
	require.NoError(t, d.Stop())
}

// Each route answers without what it does not need, and with 503 and when to come again
// without what it does.
func TestRoutesWithout(t *testing.T) {
	t.Parallel()
	binary := build(t)
	direct := newClient(t, shared.api())
	const ok, created, accepted, later = http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusServiceUnavailable
	for name, test := range map[string]struct {
		environ                                                             string
		post, placed, fulfilling, cancel, ship, open, limit, customer, page int
	}{
		"kurrentdb": {"KURRENTDB_URL=kurrentdb://" + away + "?tls=false", later, later, ok, later, ok, later, later, ok, later},
		"postgres":  {"POSTGRES_URL=postgres://" + away + "/x", created, later, later, later, ok, created, ok, later, later},
		"temporal":  {"TEMPORAL_ADDRESS=" + away, created, ok, ok, accepted, later, created, ok, ok, ok},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			placed, _ := direct.place()
			fulfilling, customerID := direct.fulfill()
			shipping, _ := direct.fulfill()
			direct.awaitCustomer(customerID, func(c customer) bool { return c.Limit != nil })
			d, c := runProcess(t, binary, test.environ)
			awaitState(t, d, name)
			var asked sync.WaitGroup
			for _, request := range []struct {
				method, path string
				body         any
				want         int
			}{
				{http.MethodPost, "/orders", body("", newCustomerID(), map[string]any{"orderId": nil}), test.post},
				{http.MethodGet, "/orders/" + placed, nil, test.placed},
				{http.MethodGet, "/orders/" + fulfilling, nil, test.fulfilling},
				{http.MethodPost, "/orders/" + placed + "/cancel", map[string]any{"reason": "test"}, test.cancel},
				{http.MethodPost, "/orders/" + shipping + "/shipments", shipment, test.ship},
				{http.MethodPost, "/customers", map[string]any{"customerId": newCustomerID(), "limit": "USD1.00"}, test.open},
				{http.MethodPut, "/customers/" + customerID + "/credit-limit", map[string]any{"limit": "USD20000.00"}, test.limit},
				{http.MethodGet, "/customers/" + customerID, nil, test.customer},
				{http.MethodGet, "/?order=" + placed, nil, test.page},
				{http.MethodGet, "/", nil, ok},
				{http.MethodGet, "/style.css", nil, ok},
				{http.MethodGet, "/openapi.yaml", nil, ok},
			} {
				sent := c.request(request.method, request.path, request.body)
				asked.Go(func() {
					got, err := c.send(sent)
					if !assert.NoError(t, err) {
						return
					}
					assert.Equal(t, request.want, got.status, "%s %s: %s", request.method, request.path, got.body)
					assert.Equal(t, request.want == later, got.header.Get("Retry-After") != "", "%s %s", request.method, request.path)
				})
			}
			asked.Wait()
		})
	}
}
