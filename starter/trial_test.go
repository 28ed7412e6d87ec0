package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// outages are how long the outages last: go test ./starter -run TestOutages -timeout 2h -outages 120s,20m
var outages = flag.String("outages", "500ms,5s", "how long outages last, comma-separated")

// After an outage everything is done within the longest waits there are (15 s until the bridge looks again, 20 s for a
// connection that was tried while nobody answered), and the time that this many orders take beside five other bridges.
const (
	recovery     = 90 * time.Second
	recoveryEach = 200 * time.Millisecond
)

// trial is a bridge whose ways to both servers can fail, with orders that nobody else's are.
type trial struct {
	*bench
	direct                *kurrent.Client // knows nothing of outages
	toKurrent, toTemporal *road
	customer              string
	tally                 tally

	placed, paid, cancelled []string
}

// tally counts what a bridge does while it can do nothing.
type tally struct {
	calls atomic.Int64 // tries of a call to Temporal
	lines atomic.Int64 // of log, at debug: each failed connection to KurrentDB is one, and each try of an event
}

func (c *tally) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	c.calls.Add(1)
	return invoke(ctx, method, req, reply, cc, opts...)
}

// Enabled, Handle, WithAttrs and WithGroup make it a handler of log lines.
func (c *tally) Enabled(context.Context, slog.Level) bool { return true }

func (c *tally) Handle(context.Context, slog.Record) error {
	c.lines.Add(1)
	return nil
}

func (c *tally) WithAttrs([]slog.Attr) slog.Handler { return c }

func (c *tally) WithGroup(string) slog.Handler { return c }

// newTrial has a group whose events time out while the bridge still holds them, so that in an outage of some length every
// one of them is handed out again and again.
func newTrial(t *testing.T) *trial {
	t.Helper()
	b := newBench(t)
	tr := &trial{bench: b, direct: b.events, customer: "customer-" + uuid.NewString()}
	b.bridge.settings.MessageTimeout, b.bridge.holdLimit = time.Second, 3*time.Second
	tr.pave()
	return tr
}

// beside is one more bridge for the same group, with ways of its own to both servers.
func (tr *trial) beside() *trial {
	tr.t.Helper()
	bench := *tr.bench
	bench.bridge = &bridge{
		concurrency: tr.bridge.concurrency, holdLimit: tr.bridge.holdLimit, drainTimeout: tr.bridge.drainTimeout, probeEvery: tr.bridge.probeEvery, inspectEvery: tr.bridge.inspectEvery,
		settings: tr.bridge.settings, metrics: newMetrics(prometheus.NewRegistry()),
	}
	other := &trial{bench: &bench, direct: tr.direct, customer: tr.customer}
	other.pave()
	return other
}

// pave gives the bridge its ways.
func (tr *trial) pave() {
	t := tr.t
	t.Helper()
	tr.toTemporal = newRoad(t, temporalAddress)
	address, _, _ := strings.Cut(strings.TrimPrefix(tr.url, "kurrentdb://"), "?")
	tr.toKurrent = newRoad(t, address)
	logger := slog.New(&tr.tally)
	temporal, err := client.DialContext(t.Context(), client.Options{
		HostPort: tr.toTemporal.addr, Logger: quiet{},
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(tr.tally.intercept)}},
	})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	events, err := kurrent.Open(kurrent.Config{
		URL: "kurrentdb://" + tr.toKurrent.addr + "?tls=false", AllowPlaintext: true, CallTimeout: storeTimeout, Logger: logger,
	})
	require.NoError(t, err)
	t.Cleanup(events.Close)
	tr.bridge.temporal, tr.bridge.events, tr.bridge.logger = temporal, events, logger
}

// chatter appends events that mean nothing to the bridge.
func (tr *trial) chatter(count int) {
	tr.t.Helper()
	events := make([]kurrent.NewEvent, count)
	for i := range events {
		events[i] = newEvent("order-viewed", map[string]any{})
	}
	_, err := tr.direct.Append(tr.t.Context(), newOrderID(), kurrent.NoStream(), events...)
	require.NoError(tr.t, err)
}

// operator is the client as it comes, to do what the product never does.
func (tr *trial) operator() *kurrentdb.Client {
	tr.t.Helper()
	settings, err := kurrentdb.ParseConnectionString(tr.url)
	require.NoError(tr.t, err)
	settings.Logger = kurrentdb.NoopLogging()
	operator, err := kurrentdb.NewClient(settings)
	require.NoError(tr.t, err)
	tr.t.Cleanup(func() { _ = operator.Close() })
	return operator
}

func (tr *trial) deleteGroup() {
	tr.t.Helper()
	err := tr.operator().DeletePersistentSubscription(tr.t.Context(), "$ce-order", "fulfillment", kurrentdb.DeletePersistentSubscriptionOptions{})
	require.NoError(tr.t, err)
}

// deleteStreams deletes one stream so that it may be written to again, and one for ever.
func (tr *trial) deleteStreams(softly, forEver string) {
	tr.t.Helper()
	_, err := tr.operator().DeleteStream(tr.t.Context(), softly, kurrentdb.DeleteStreamOptions{})
	require.NoError(tr.t, err)
	_, err = tr.operator().TombstoneStream(tr.t.Context(), forEver, kurrentdb.TombstoneStreamOptions{})
	require.NoError(tr.t, err)
}

// handled is how many events the bridge is done with.
func (tr *trial) handled() int {
	n := 0
	for _, r := range []result{resultStarted, resultDuplicate, resultIgnored, resultSignalled, resultLate, resultParked} {
		n += tr.count(r)
	}
	return n
}

func inFlight(b *bridge) int { return int(testutil.ToFloat64(b.metrics.inFlight)) }

// place appends what happens to one more order: every third is paid, and every fifth is cancelled.
func (tr *trial) place() {
	tr.t.Helper()
	id := newOrderID()
	events := []kurrent.NewEvent{placedBy(tr.customer, id)}
	n := len(tr.placed)
	if n%3 == 0 {
		events = append(events, newEvent(order.TypePaid, map[string]any{"amount": "USD242.00"}))
		tr.paid = append(tr.paid, id)
	}
	if n%5 == 0 {
		events = append(events, newEvent(order.TypeCancellationRequested, map[string]any{"reason": "customer-request"}))
		tr.cancelled = append(tr.cancelled, id)
	}
	_, err := tr.direct.Append(tr.t.Context(), id, kurrent.NoStream(), events...)
	require.NoError(tr.t, err)
	tr.placed = append(tr.placed, id)
}

func placedBy(customer, orderID string) kurrent.NewEvent {
	event := placedEvent(orderID)
	event.Data = []byte(strings.Replace(string(event.Data), "customer-7", customer, 1))
	return event
}

// last keeps placing orders while the outage lasts.
func (tr *trial) last(outage time.Duration) {
	tr.t.Helper()
	count := min(max(int(outage/(100*time.Millisecond)), 10), 600)
	ticker := time.NewTicker(outage / time.Duration(count))
	defer ticker.Stop()
	for range count {
		tr.place()
		<-ticker.C
	}
}

func (tr *trial) recovery() time.Duration {
	return recovery + time.Duration(len(tr.placed))*recoveryEach
}

// requireAllDone waits until every event has had its effect, and sees that nothing is there twice.
func (tr *trial) requireAllDone() {
	tr.t.Helper()
	tr.awaitAllDone()
	tr.requireOnceEach()
}

// awaitAllDone waits until the group has nothing left.
func (tr *trial) awaitAllDone() {
	tr.t.Helper()
	require.EventuallyWithT(tr.t, func(c *assert.CollectT) {
		info, err := tr.direct.GroupInfo(tr.t.Context(), "$ce-order", "fulfillment")
		require.NoError(c, err)
		require.Zero(c, info.Lag)
		require.Zero(c, info.InFlight)
	}, tr.recovery(), 50*time.Millisecond)
}

// requireOnceEach sees that every event has had its effect, and every order has one run.
func (tr *trial) requireOnceEach() {
	t := tr.t
	t.Helper()
	require.Empty(t, tr.parked(t))
	for _, id := range tr.paid {
		tr.status(workflows.SettlementID(id, 1))
	}
	for _, id := range tr.cancelled {
		require.NotZero(t, tr.signals(id), id)
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) { // visibility comes after
		require.ElementsMatch(c, tr.placed, tr.runs(c))
	}, tr.recovery(), 500*time.Millisecond)
}

// runs lists the workflow id of each run there is of this trial's orders.
func (tr *trial) runs(c *assert.CollectT) (ids []string) {
	request := &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: "default", Query: fmt.Sprintf("CustomerId=%q", tr.customer), PageSize: 1000,
	}
	for {
		page, err := tr.temporal.ListWorkflow(tr.t.Context(), request)
		require.NoError(c, err)
		for _, execution := range page.GetExecutions() {
			ids = append(ids, execution.GetExecution().GetWorkflowId())
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return ids
		}
	}
}

// watermark is the most of something that there was.
type watermark struct{ goroutines, heap, inFlight int }

// measure samples the process until the returned function is called.
func measure(inFlight func() int) (highest func() watermark) {
	stop, done := make(chan struct{}), make(chan watermark, 1)
	go func() {
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		var high watermark
		for {
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			high.goroutines = max(high.goroutines, runtime.NumGoroutine())
			high.heap = max(high.heap, int(memory.HeapAlloc))
			high.inFlight = max(high.inFlight, inFlight())
			select {
			case <-stop:
				done <- high
				return
			case <-ticker.C:
			}
		}
	}()
	return func() watermark {
		close(stop)
		return <-done
	}
}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
