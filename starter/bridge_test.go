package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"orderflow/bridge"
	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/metertest"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/routes"
	"orderflow/internal/streams"
	"orderflow/workflows"
)

const (
	// longEnough is the timeout for what should happen soon. It covers more than two
	// attempts at an activity, for one of them may be lost on a loaded machine.
	longEnough = 90 * time.Second

	waitTick = 10 * time.Millisecond
)

var servers = devservertest.Servers{SearchAttributes: workflows.SearchAttributes()}

func TestMain(m *testing.M) { servers.Main(m) }

// bridgeRig is a bridge between its own KurrentDB simulator and the shared Temporal
// server. No worker runs, so a started order waits. Its group's message timeout is longer
// than a slow machine needs, so each event is delivered once and a test may count them.
type bridgeRig struct {
	t        testing.TB
	url      string
	events   *kurrent.Client
	temporal client.Client
	meter    *metertest.Meter
	options  bridge.Options // of the next run
	bridge   *bridge.Bridge // of the last run
}

func newBridgeRig(t testing.TB) *bridgeRig {
	t.Helper()
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	logger := slog.New(slog.DiscardHandler)
	temporal, err := client.DialContext(t.Context(), client.Options{HostPort: servers.Temporal(t), Logger: logger})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	b := &bridgeRig{t: t, temporal: temporal, meter: metertest.New()}
	b.options = bridge.Options{
		Concurrency: 8, HoldTimeout: 20 * time.Second, DrainTimeout: 20 * time.Second,
		ProbeInterval: 30 * time.Second, InspectInterval: 30 * time.Second, Logger: logger,
		MeterProvider: b.meter, SearchAttributes: workflows.Input{}.SearchAttributes(),
		Subscription: bridge.Subscription{Stream: "$ce-order", Group: "fulfillment", MessageTimeout: time.Minute},
	}
	b.use(server.URL())
	return b
}

// use points the bridge at a server.
func (b *bridgeRig) use(url string) {
	b.t.Helper()
	events, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true, CallTimeout: 30 * time.Second})
	require.NoError(b.t, err)
	b.t.Cleanup(events.Close)
	b.url, b.events = url, events
	b.options.Router = routes.New(b.temporal, client.Options{}, streams.Orders{Client: events}, config.Attributes{})
	b.options.KurrentDB = b.connect(url, 30*time.Second, b.options.Logger)
}

// connect returns a bridge's connection to KurrentDB.
func (b *bridgeRig) connect(url string, callTimeout time.Duration, logger *slog.Logger) *bridge.KurrentDB {
	b.t.Helper()
	source, err := bridge.Connect(url, bridge.ConnectOptions{AllowPlaintext: true, CallTimeout: callTimeout, Logger: logger})
	require.NoError(b.t, err)
	b.t.Cleanup(source.Close)
	return source
}

// run runs the bridge until the returned function is called, which waits for it to end.
func (b *bridgeRig) run() (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	b.prepare()
	go func() { done <- b.bridge.Run(ctx) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(b.t, <-done)
		}
	}
	b.t.Cleanup(stop)
	return stop
}

// prepare makes the bridge of the next run.
func (b *bridgeRig) prepare() {
	b.t.Helper()
	next, err := bridge.New(b.options)
	require.NoError(b.t, err)
	b.bridge = next
}

func (b *bridgeRig) joined() bool { return b.bridge.Joined() }

func (b *bridgeRig) append(stream string, events ...kurrent.NewEvent) {
	b.t.Helper()
	require.NoError(b.t, b.tryAppend(stream, events...))
}

// tryAppend is append for goroutines, which may not end the test.
func (b *bridgeRig) tryAppend(stream string, events ...kurrent.NewEvent) error {
	_, err := b.events.Append(b.t.Context(), stream, kurrent.Any(), events...)
	return err
}

// awaitCounts waits until the bridge has counted these events.
func (b *bridgeRig) awaitCounts(want map[bridge.Result]int) {
	b.t.Helper()
	require.EventuallyWithT(b.t, func(c *assert.CollectT) {
		for r, n := range want {
			require.Equal(c, n, b.count(r), r)
		}
	}, longEnough, waitTick)
}

// awaitAtLeast waits until the bridge has counted at least want events with a result. A
// redelivered event counts twice.
func (b *bridgeRig) awaitAtLeast(want int, r bridge.Result) {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return b.count(r) >= want }, longEnough, waitTick, r)
}

func (b *bridgeRig) awaitJoined() {
	b.t.Helper()
	require.Eventually(b.t, b.joined, longEnough, time.Millisecond)
}

func (b *bridgeRig) count(r bridge.Result) int {
	return b.meter.Value("orderflow_bridge_events", string(r))
}

// parked returns the reasons of the events that the group has parked.
func (b *bridgeRig) parked(t require.TestingT) (reasons []string) {
	require.NoError(t, b.events.Parked(b.t.Context(), "$ce-order", "fulfillment", func(p kurrent.Parked) error {
		reasons = append(reasons, p.Reason)
		return nil
	}))
	return reasons
}

// awaitParked waits until count events are parked, and returns their reasons. The bridge
// counts one when it has sent it, and the server writes it a moment later.
func (b *bridgeRig) awaitParked(count int) (reasons []string) {
	b.t.Helper()
	require.EventuallyWithT(b.t, func(c *assert.CollectT) {
		reasons = b.parked(c)
		require.Len(c, reasons, count)
	}, longEnough, waitTick)
	return reasons
}

func (b *bridgeRig) status(workflowID string) enums.WorkflowExecutionStatus {
	b.t.Helper()
	description, err := b.temporal.DescribeWorkflow(b.t.Context(), workflowID, "")
	require.NoError(b.t, err)
	return description.RawResponse.GetWorkflowExecutionInfo().GetStatus()
}

// signals counts the signals in a workflow's history.
func (b *bridgeRig) signals(workflowID string) int {
	b.t.Helper()
	n := 0
	history := b.temporal.GetWorkflowHistory(b.t.Context(), workflowID, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		require.NoError(b.t, err)
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED {
			n++
		}
	}
	return n
}

func newOrderID() string { return "order-" + uuid.NewString() }

func placedEvent(orderID string) kurrent.NewEvent {
	return newEvent(order.TypePlaced, map[string]any{
		"orderId": orderID, "customerId": "customer-7", "at": "2025-01-01T01:11:30Z",
		"lineItems": []map[string]any{{
			"productId": "1", "productName": "Lamp", "quantity": 2, "pricePerUnit": "USD100.00", "taxRate": 0.21,
		}},
		"shipping": map[string]any{
			"recipient": map[string]any{"fullName": "Ada Example", "emailAddress": "ada@example.com"},
			"address":   map[string]any{"country": "NL", "lines": []string{"Street 1"}}, "method": "express",
		},
		"billing": map[string]any{"recipient": map[string]any{"fullName": "Ada Example", "emailAddress": "ada@example.com"}},
	})
}

func newEvent(eventType string, data any) kurrent.NewEvent {
	body, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return kurrent.NewEvent{ID: uuid.New(), Type: eventType, Data: body}
}
