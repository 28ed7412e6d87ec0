// Package startertest runs the starter as a program on a KurrentDB of the test's own, and
// appends the events of orders. It is for tests of what works alongside a starter. The
// starter's own tests run it in their process.
package startertest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/bridge"
	"orderflow/dev/opstest"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// The subscription of a starter with default settings.
const (
	Stream = "$ce-order"
	Group  = "fulfillment"
)

const (
	longEnough = 90 * time.Second // for what should happen soon
	waitTick   = 10 * time.Millisecond
)

// Starter is a KurrentDB with orders, and the starter that takes them from it.
type Starter struct {
	t       testing.TB
	program string // path
	environ []string
	running *opstest.Daemon // the last that was started; nil before

	URL    string          // of KurrentDB
	Events *kurrent.Client // for appending orders
}

// New returns a starter that does not run yet. The variables are added to those of this
// process.
func New(t testing.TB, program, url string, environ ...string) *Starter {
	t.Helper()
	events, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true, CallTimeout: 30 * time.Second})
	require.NoError(t, err)
	t.Cleanup(events.Close)
	return &Starter{t: t, program: program, environ: environ, URL: url, Events: events}
}

// Run runs the program, with more variables, until the returned function is called or the
// test ends.
func (s *Starter) Run(environ ...string) (stop func()) {
	s.t.Helper()
	variables := append([]string{
		"KURRENTDB_URL=" + s.URL, "KURRENTDB_ALLOW_PLAINTEXT=true", "OPS_ADDR=127.0.0.1:0", "SHUTDOWN_TIMEOUT=20s",
	}, append(s.environ, environ...)...)
	daemon := opstest.Start(s.t, func(ctx context.Context, log io.Writer) error {
		return opstest.Run(ctx, s.program, variables, log)
	})
	s.running = daemon
	return func() { require.NoError(s.t, daemon.Stop()) }
}

// Await waits until a page of the operations server has the status and contains all
// words.
func (s *Starter) Await(path string, status int, words ...string) {
	s.t.Helper()
	s.running.Await(path, status, words...)
}

// AwaitReady waits until the starter has joined its group.
func (s *Starter) AwaitReady() {
	s.t.Helper()
	s.Await("/readyz", http.StatusOK)
}

// Count returns how many events the starter has completed with a result.
func (s *Starter) Count(r bridge.Result) int {
	s.t.Helper()
	_, body, _ := s.running.Get("/metrics")
	line := regexp.MustCompile(`(?m)^orderflow_bridge_events_total\{result="` + string(r) + `"\} (\d+)$`).FindStringSubmatch(body)
	if line == nil {
		return -1 // it has stopped
	}
	n, err := strconv.Atoi(line[1])
	require.NoError(s.t, err)
	return n
}

// AwaitCounts waits until the starter has counted these events.
func (s *Starter) AwaitCounts(want map[bridge.Result]int) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		for r, n := range want {
			require.Equal(c, n, s.Count(r), r)
		}
	}, longEnough, 50*time.Millisecond)
}

// Append appends events to a stream.
func (s *Starter) Append(stream string, events ...kurrent.NewEvent) {
	s.t.Helper()
	require.NoError(s.t, s.TryAppend(stream, events...))
}

// TryAppend is Append for goroutines, which may not end the test.
func (s *Starter) TryAppend(stream string, events ...kurrent.NewEvent) error {
	_, err := s.Events.Append(s.t.Context(), stream, kurrent.Any(), events...)
	return err
}

// Parked returns the reasons of the events that the group has parked.
func (s *Starter) Parked(t require.TestingT) (reasons []string) {
	require.NoError(t, s.Events.Parked(s.t.Context(), Stream, Group, func(p kurrent.Parked) error {
		reasons = append(reasons, p.Reason)
		return nil
	}))
	return reasons
}

// AwaitParked waits until count events are parked, and returns their reasons. The starter
// counts one when it has sent it, and the server writes it a moment later.
func (s *Starter) AwaitParked(count int) (reasons []string) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		reasons = s.Parked(c)
		require.Len(c, reasons, count)
	}, longEnough, waitTick)
	return reasons
}

// NewOrderID returns the id of an order that does not exist yet.
func NewOrderID() string { return "order-" + uuid.NewString() }

// PlacedEvent returns an event that places an order.
func PlacedEvent(orderID string) kurrent.NewEvent {
	person := map[string]any{"fullName": "Ada Example", "emailAddress": "ada@example.com"}
	return NewEvent(order.TypePlaced, map[string]any{
		"orderId": orderID, "customerId": "customer-7", "at": "2025-01-01T01:11:30Z",
		"lineItems": []map[string]any{{
			"productId": "1", "productName": "Lamp", "quantity": 2, "pricePerUnit": "USD100.00", "taxRate": 0.21,
		}},
		"shipping": map[string]any{
			"recipient": person, "address": map[string]any{"country": "NL", "lines": []string{"Street 1"}}, "method": "express",
		},
		"billing": map[string]any{"recipient": person},
	})
}

// NewEvent returns an event with data in JSON.
func NewEvent(eventType string, data any) kurrent.NewEvent {
	body, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return kurrent.NewEvent{ID: uuid.New(), Type: eventType, Data: body}
}
