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
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"

	"orderflow/bridge"
	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/faultproxy"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/dev/metertest"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/routes"
	"orderflow/internal/streams"
	"orderflow/workflows"
)

// outages are the lengths of the outages: go test ./starter -run TestOutages -timeout 2h
// -outages 120s,20m
var outages = flag.String("outages", "500ms,5s", "how long outages last, comma-separated")

// After an outage all work is done within the longest waits (15 s until the bridge tries
// again, 20 s for a connection attempt made during the outage), plus the time for this
// many orders alongside five other bridges.
const (
	recovery     = 90 * time.Second
	recoveryEach = 200 * time.Millisecond
)

// outageRig is a bridge whose connections to both servers can fail, with orders of its
// own customer.
type outageRig struct {
	*bridgeRig
	direct                *kurrent.Client // bypasses the proxies
	toKurrent, toTemporal *faultproxy.Proxy
	customer              string
	load                  loadCounter

	placed, paid, cancelled []string
}

// loadCounter counts what a bridge does while it can make no progress.
type loadCounter struct {
	calls atomic.Int64 // attempted calls to Temporal
	lines atomic.Int64 // log lines at debug level: one for each failed connection to KurrentDB and each attempt at an event
}

func (c *loadCounter) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	c.calls.Add(1)
	return invoke(ctx, method, req, reply, cc, opts...)
}

// Enabled, Handle, WithAttrs and WithGroup implement slog.Handler.
func (c *loadCounter) Enabled(context.Context, slog.Level) bool { return true }

func (c *loadCounter) Handle(context.Context, slog.Record) error {
	c.lines.Add(1)
	return nil
}

func (c *loadCounter) WithAttrs([]slog.Attr) slog.Handler { return c }

func (c *loadCounter) WithGroup(string) slog.Handler { return c }

// newOutageRig has a group whose events time out while the bridge still holds them, so
// that in a long outage each of them is redelivered repeatedly.
func newOutageRig(t *testing.T) *outageRig {
	t.Helper()
	b := newBridgeRig(t)
	tr := &outageRig{bridgeRig: b, direct: b.events, customer: "customer-" + uuid.NewString()}
	b.options.Subscription.MessageTimeout, b.options.HoldTimeout = time.Second, 3*time.Second
	tr.connectThroughProxies()
	return tr
}

// secondBridge returns another bridge on the same group, with its own proxies to both
// servers.
func (tr *outageRig) secondBridge() *outageRig {
	tr.t.Helper()
	rig := *tr.bridgeRig
	rig.meter = metertest.New()
	rig.options.MeterProvider = rig.meter
	other := &outageRig{bridgeRig: &rig, direct: tr.direct, customer: tr.customer}
	other.connectThroughProxies()
	return other
}

// connectThroughProxies connects the bridge to both servers through proxies.
func (tr *outageRig) connectThroughProxies() {
	t := tr.t
	t.Helper()
	tr.toTemporal = startProxy(t, servers.Temporal(t))
	address, _, _ := strings.Cut(strings.TrimPrefix(tr.url, "kurrentdb://"), "?")
	tr.toKurrent = startProxy(t, address)
	logger := slog.New(&tr.load)
	temporal, err := client.DialContext(t.Context(), client.Options{
		HostPort: tr.toTemporal.Addr(), Logger: slog.New(slog.DiscardHandler),
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(tr.load.intercept)}},
	})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	url := "kurrentdb://" + tr.toKurrent.Addr() + "?tls=false"
	events, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true, CallTimeout: storeTimeout, Logger: logger})
	require.NoError(t, err)
	t.Cleanup(events.Close)
	tr.options.Router = routes.New(temporal, client.Options{}, streams.Orders{Client: events}, config.Attributes{})
	tr.options.KurrentDB, tr.options.Logger = tr.connect(url, storeTimeout, logger), logger
}

// startProxy starts a proxy to a server. Its port stays reserved while it refuses
// connections.
func startProxy(t testing.TB, target string) *faultproxy.Proxy {
	t.Helper()
	proxy, err := faultproxy.StartAt(devservertest.Address(t), target)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	return proxy
}

// appendIgnored appends events that the bridge ignores.
func (tr *outageRig) appendIgnored(count int) {
	tr.t.Helper()
	events := make([]kurrent.NewEvent, count)
	for i := range events {
		events[i] = newEvent("order-viewed", map[string]any{})
	}
	_, err := tr.direct.Append(tr.t.Context(), newOrderID(), kurrent.NoStream(), events...)
	require.NoError(tr.t, err)
}

// operator is the official client, for operations that the product never performs.
func (tr *outageRig) operator() *kurrentdb.Client {
	tr.t.Helper()
	return kurrentsimtest.OfficialClient(tr.t, tr.url)
}

func (tr *outageRig) deleteGroup() {
	tr.t.Helper()
	err := tr.operator().DeletePersistentSubscription(tr.t.Context(), "$ce-order", "fulfillment", kurrentdb.DeletePersistentSubscriptionOptions{})
	require.NoError(tr.t, err)
}

// deleteStreams deletes one stream softly, so that it may be written to again, and
// tombstones the other.
func (tr *outageRig) deleteStreams(softly, forEver string) {
	tr.t.Helper()
	_, err := tr.operator().DeleteStream(tr.t.Context(), softly, kurrentdb.DeleteStreamOptions{})
	require.NoError(tr.t, err)
	_, err = tr.operator().TombstoneStream(tr.t.Context(), forEver, kurrentdb.TombstoneStreamOptions{})
	require.NoError(tr.t, err)
}

// handled returns how many events the bridge has completed.
func (tr *outageRig) handled() int {
	n := 0
	for _, r := range []bridge.Result{bridge.Started, bridge.Duplicate, bridge.Ignored, bridge.Signalled, bridge.Late, bridge.Parked} {
		n += tr.count(r)
	}
	return n
}

func inFlight(b *bridgeRig) int { return b.meter.Value("orderflow_bridge_in_flight", "") }

// place appends the events of one more order. Every third is paid, and every fifth is
// canceled.
func (tr *outageRig) place() {
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

// placeDuring keeps placing orders while the outage lasts.
func (tr *outageRig) placeDuring(outage time.Duration) {
	tr.t.Helper()
	count := min(max(int(outage/(100*time.Millisecond)), 10), 600)
	ticker := time.NewTicker(outage / time.Duration(count))
	defer ticker.Stop()
	for range count {
		tr.place()
		<-ticker.C
	}
}

func (tr *outageRig) recovery() time.Duration {
	return recovery + time.Duration(len(tr.placed))*recoveryEach
}

// requireAllDone waits until every event has had its effect, and requires that none had
// it twice.
func (tr *outageRig) requireAllDone() {
	tr.t.Helper()
	tr.awaitAllDone()
	tr.requireOnceEach()
}

// awaitAllDone waits until the group has no events left.
func (tr *outageRig) awaitAllDone() {
	tr.t.Helper()
	require.EventuallyWithT(tr.t, func(c *assert.CollectT) {
		info, err := tr.direct.GroupInfo(tr.t.Context(), "$ce-order", "fulfillment")
		require.NoError(c, err)
		require.Zero(c, info.Lag)
		require.Zero(c, info.InFlight)
	}, tr.recovery(), 50*time.Millisecond)
}

// requireOnceEach requires that every event has had its effect and every order has one
// run.
func (tr *outageRig) requireOnceEach() {
	t := tr.t
	t.Helper()
	require.Empty(t, tr.parked(t))
	for _, id := range tr.paid {
		tr.status(workflows.SettlementID(id, 1))
	}
	for _, id := range tr.cancelled {
		require.NotZero(t, tr.signals(id), id)
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) { // visibility is eventually consistent
		require.ElementsMatch(c, tr.placed, tr.runs(c))
	}, tr.recovery(), 500*time.Millisecond)
}

// runs lists the workflow id of each run of this rig's orders.
func (tr *outageRig) runs(c *assert.CollectT) (ids []string) {
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

// watermark holds the highest values sampled.
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
