package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/bridge"
	"orderflow/dev/devserver"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// The limits of the server of useLimitedServer.
const (
	maxSignals       = 3
	maxSearchedBytes = 64 // bytes of a search attribute's value
)

// useLimitedServer connects the bridge to a server with low limits, whose search
// attributes the test may change.
func (b *bridgeRig) useLimitedServer() {
	b.t.Helper()
	cli, err := devserver.TemporalCLI(b.t.Context(), "", os.Stderr)
	require.NoError(b.t, err)
	server, err := devserver.StartTemporal(b.t.Context(), devserver.TemporalOptions{
		CLIPath: cli, Headless: true, SearchAttributes: workflows.SearchAttributes(), DynamicConfig: map[string]string{
			"history.maximumSignalsPerExecution":        fmt.Sprint(maxSignals),
			"frontend.searchAttributesSizeOfValueLimit": fmt.Sprint(maxSearchedBytes),
		},
	})
	require.NoError(b.t, err)
	b.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Stop(ctx)
	})
	temporal, err := client.DialContext(b.t.Context(), client.Options{HostPort: server.Address, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b.t, err)
	b.t.Cleanup(temporal.Close)
	b.temporal, b.options.Router.Temporal = temporal, temporal
}

func cancellationEvent() kurrent.NewEvent {
	return newEvent(order.TypeCancellationRequested, map[string]any{"reason": "customer-request"})
}

func (b *bridgeRig) waiting() int { return b.meter.Value("orderflow_bridge_waiting", "") }

// retries counts repeated attempts, by who holds the event in between.
func (b *bridgeRig) retries(by string) int {
	return b.meter.Value("orderflow_bridge_retries", by)
}

func TestBridge_ServerLimits(t *testing.T) {
	t.Parallel()
	t.Run("makes the event of a full order wait without blocking others", func(t *testing.T) {
		t.Parallel()
		b := newBridgeRig(t)
		b.useLimitedServer()
		b.options.Concurrency, b.options.HoldTimeout = 2, time.Second // events are returned and redelivered meanwhile
		queue := "full-" + newOrderID()
		var full []string
		for range 3 { // one more than there is room for
			id := newOrderID()
			_, err := b.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: queue}, workflows.OrderFulfillmentType)
			require.NoError(t, err)
			for range maxSignals {
				require.NoError(t, b.temporal.SignalWorkflow(t.Context(), id, "", "any", nil))
			}
			b.append(id, cancellationEvent())
			full = append(full, id)
		}
		b.append(full[0], cancellationEvent())
		b.run()
		b.awaitJoined()
		require.Eventually(t, func() bool { return b.waiting() == 2 }, longEnough, time.Millisecond)
		var others []string
		for range 10 {
			id := newOrderID()
			b.append(id, placedEvent(id))
			others = append(others, id)
		}
		b.awaitCounts(map[bridge.Result]int{bridge.Started: len(others)})
		require.True(t, b.joined())
		require.Zero(t, b.count(bridge.Signalled))
		b.awaitAtLeast(1, bridge.Duplicate) // the first order's second cancellation
		require.Positive(t, b.retries("bridge"))
		require.Eventually(t, func() bool { return b.retries("kurrentdb") > 0 }, longEnough, waitTick)

		b.continueAsNew(queue)
		b.awaitAtLeast(3, bridge.Signalled)
		for _, id := range full { // the first order may be signaled for each of its cancellations
			require.Eventually(t, func() bool { return b.signals(id) >= 1 }, longEnough, waitTick, "of the newest run")
		}
		for _, id := range full[1:] {
			require.Equal(t, 1, b.signals(id), "of the newest run")
		}
		require.Empty(t, b.parked(t))
		require.Eventually(t, func() bool { return b.waiting() == 0 }, longEnough, waitTick)
	})
	t.Run("parks a refused event with the server's message without blocking others", func(t *testing.T) {
		t.Parallel()
		b := newBridgeRig(t)
		b.useLimitedServer()
		b.options.RefusalSpan = 15 * time.Second // the default is about as long as the test waits
		long, good := newOrderID(), newOrderID()
		refused := placedEvent(long)
		refused.Data = []byte(strings.Replace(string(refused.Data), "customer-7", strings.Repeat("c", maxSearchedBytes), 1))
		b.append(long, refused)
		b.append(good, placedEvent(good))
		b.run()
		b.awaitCounts(map[bridge.Result]int{bridge.Started: 1, bridge.Parked: 1})
		require.Regexp(t, "^REFUSED: search attribute CustomerId value size .* exceeds size limit", b.awaitParked(1)[0])
		require.NoError(t, b.bridge.Ready(t.Context()))
	})
	t.Run("holds a refused event without a slot for longer than the server's cache may be stale", func(t *testing.T) {
		t.Parallel()
		b := newBridgeRig(t)
		b.useLimitedServer()
		b.options.Concurrency, b.options.HoldTimeout, b.options.RefusalSpan = 1, time.Second, 15*time.Second // it is returned and redelivered
		long, good := newOrderID(), newOrderID()
		refused := placedEvent(long)
		refused.Data = []byte(strings.Replace(string(refused.Data), "customer-7", strings.Repeat("c", maxSearchedBytes), 1))
		began := time.Now()
		b.append(long, refused)
		b.run()
		require.Eventually(t, func() bool { return b.waiting() == 1 }, longEnough, time.Millisecond)
		b.append(good, placedEvent(good))
		b.awaitCounts(map[bridge.Result]int{bridge.Started: 1})
		b.awaitCounts(map[bridge.Result]int{bridge.Parked: 1})
		require.GreaterOrEqual(t, time.Since(began), b.options.RefusalSpan)
		require.True(t, b.joined())
	})
	t.Run("is blocked by a namespace that loses a search attribute and parks nothing", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.useLimitedServer()
		b.run()
		b.awaitJoined()
		_, err := b.temporal.OperatorService().RemoveSearchAttributes(t.Context(), &operatorservice.RemoveSearchAttributesRequest{
			Namespace: client.DefaultNamespace, SearchAttributes: []string{"CustomerId"},
		})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			return temporalclient.NeedsOperator(temporalclient.CheckNamespace(t.Context(), b.temporal, client.DefaultNamespace,
				workflows.SearchAttributes()))
		}, longEnough, waitTick)
		b.append(id, placedEvent(id))
		require.Eventually(t, func() bool {
			ids := b.blocked(obstacleNamespace)
			return ids && !b.joined() || b.count(bridge.Started) > 0
		}, longEnough, waitTick)
		require.Zero(t, b.count(bridge.Started), "the server has accepted a start without the attribute")
		require.ErrorContains(t, b.bridge.Ready(t.Context()), "CustomerId (Keyword) is missing: temporal operator search-attribute create")
		require.Empty(t, b.parked(t))

		require.NoError(t, devserver.EnsureSearchAttributes(t.Context(), b.temporal, client.DefaultNamespace, workflows.SearchAttributes()))
		b.awaitCounts(map[bridge.Result]int{bridge.Started: 1, bridge.Parked: 0})
		b.awaitReady()
	})
}

// continueAsNew makes the workflows on a queue receive their signals and continue as new.
func (b *bridgeRig) continueAsNew(queue string) {
	b.t.Helper()
	w := worker.New(b.temporal, queue, worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		if workflow.GetInfo(ctx).ContinuedExecutionRunID != "" {
			workflow.GetSignalChannel(ctx, "end").Receive(ctx, nil)
			return nil
		}
		signals := workflow.GetSignalChannel(ctx, "any")
		for range maxSignals {
			signals.Receive(ctx, nil)
		}
		return workflow.NewContinueAsNewError(ctx, workflows.OrderFulfillmentType)
	}, workflow.RegisterOptions{Name: workflows.OrderFulfillmentType})
	require.NoError(b.t, w.Start())
	b.t.Cleanup(w.Stop)
}

func TestBridge_MissingCodecKey(t *testing.T) {
	t.Parallel()
	b, id, other := newBridgeRig(t), newOrderID(), newOrderID()
	b.options.HoldTimeout = time.Second // the event is returned and redelivered meanwhile
	first := placedEvent(id)
	codec := newEncryptingCodec(t)
	b.encrypt(codec)
	_, err := b.options.Router.Apply(t.Context(), delivered(id, first))
	require.NoError(t, err)
	b.append(id, first)
	b.encrypt(newEncryptingCodec(t))
	stop := b.run()
	require.Eventually(t, func() bool { return b.blocked(obstacleCodec) && b.waiting() == 1 }, longEnough, time.Millisecond)
	require.ErrorContains(t, b.bridge.Ready(t.Context()), "codec: ")
	b.append(other, placedEvent(other))
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 1, bridge.Duplicate: 0})
	require.True(t, b.joined())
	require.Empty(t, b.parked(t))

	stop()
	b.encrypt(codec)
	b.run()
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 1, bridge.Duplicate: 1})
	b.awaitReady()
	require.Empty(t, b.parked(t))
}
