package main

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"orderflow/bridge"
	"orderflow/internal/correlation"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/routes"
	"orderflow/workflows"
)

func TestHandlePlaced_StartsOneWorkflow(t *testing.T) {
	t.Parallel()
	b, id := newBridgeRig(t), newOrderID()
	event := placedEvent(id)
	event.Metadata = []byte(`{"$correlationId":"cart-1","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}`)
	b.append(id, event)
	b.run()
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 1})

	description, err := b.temporal.DescribeWorkflow(t.Context(), id, "")
	require.NoError(t, err)
	info := description.RawResponse.GetWorkflowExecutionInfo()
	require.Equal(t, workflows.OrderFulfillmentType, info.GetType().GetName())
	require.Equal(t, workflows.TaskQueue, info.GetTaskQueue())
	for name, want := range map[string]string{
		"CustomerId": `"customer-7"`, "Currency": `"USD"`, "OrderTotalMinor": `24200`, "OrderStatus": `"pending"`,
	} {
		require.Equal(t, want, string(info.GetSearchAttributes().GetIndexedFields()[name].GetData()), name)
	}
	var summary string
	metadata := description.RawResponse.GetExecutionConfig().GetUserMetadata()
	require.NoError(t, converter.GetDefaultDataConverter().FromPayload(metadata.GetSummary(), &summary))
	require.Equal(t, "USD242.00 for customer-7", summary)

	input := startInput(t, b.temporal, id)
	require.Equal(t, order.Money{Minor: 24200, Currency: "USD"}, input.Total)
	require.Equal(t, order.Source{
		Stream: id, EventID: event.ID.String(), Trace: correlation.Trace{
			CorrelationID: "cart-1", Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		},
	}, input.Source)
	require.Equal(t, workflows.CurrentRules, input.Rules)
	require.Equal(t, workflows.CustomerPriority("customer-7").FairnessKey, fairnessKey(t, b.temporal, id))
}

// fairnessKey returns the fairness key that a workflow was started with.
func fairnessKey(t *testing.T, c client.Client, id string) string {
	t.Helper()
	return started(t, c, id).GetPriority().GetFairnessKey()
}

func started(t *testing.T, c client.Client, id string) *historypb.WorkflowExecutionStartedEventAttributes {
	t.Helper()
	history := c.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	first, err := history.Next()
	require.NoError(t, err)
	return first.GetWorkflowExecutionStartedEventAttributes()
}

func startInput(t *testing.T, c client.Client, id string) workflows.Input {
	t.Helper()
	payloads := started(t, c, id).GetInput()
	require.NotContains(t, payloads.String(), "ada@example.com")
	require.NotContains(t, payloads.String(), "Ada")
	var input workflows.Input
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(payloads, &input))
	return input
}

func TestHandlePlaced_SecondOrderOnStream(t *testing.T) {
	t.Parallel()
	b, id := newBridgeRig(t), newOrderID()
	first := placedEvent(id)
	b.append(id, first)
	stop := b.run()
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 1})
	stop()

	again, err := b.options.Router.Apply(t.Context(), bridge.Event{
		ID: first.ID, Stream: id, Type: order.TypePlaced, ContentType: "application/json", Data: first.Data,
	})
	require.NoError(t, err)
	require.Equal(t, bridge.Duplicate, again)

	b.append(id, placedEvent(id))
	b.run()
	b.awaitCounts(map[bridge.Result]int{bridge.Parked: 1})
	require.Equal(t, []string{"DUPLICATE_ORDER: the order was placed by event " + first.ID.String()}, b.awaitParked(1))
}

func TestHandlePlaced_FirstOrderWins(t *testing.T) {
	t.Parallel()
	b := newBridgeRig(t)
	const streams = 40
	firsts := map[string]string{}
	for range streams {
		id := newOrderID()
		first := placedEvent(id)
		b.append(id, first, placedEvent(id))
		firsts[id] = first.ID.String()
	}
	b.run()
	b.awaitCounts(map[bridge.Result]int{bridge.Started: streams, bridge.Parked: streams})
	for id, first := range firsts {
		require.Equal(t, first, startInput(t, b.temporal, id).Source.EventID)
	}
}

func TestHandlePlaced_SameEventTwice(t *testing.T) {
	t.Parallel()
	b := newBridgeRig(t)
	const streams = 40
	var ids []string
	for range streams {
		id := newOrderID()
		event := placedEvent(id)
		again := event
		again.Data = []byte(strings.Replace(string(event.Data), `"quantity":2`, `"quantity":3`, 1)) // the server compares ids alone
		b.append(id, event, again)
		ids = append(ids, id)
	}
	b.run()
	b.awaitCounts(map[bridge.Result]int{bridge.Started: streams, bridge.Duplicate: streams})
	for _, id := range ids {
		input := startInput(t, b.temporal, id)
		require.Zero(t, input.Source.Revision)
		require.Equal(t, order.Money{Minor: 24200, Currency: "USD"}, input.Total)
	}
}

func TestHandlePlaced_CorrectedOrder(t *testing.T) {
	t.Parallel()
	b, id := newBridgeRig(t), newOrderID()
	bad := placedEvent(id)
	bad.Data = []byte(strings.Replace(string(bad.Data), `"quantity":2`, `"quantity":0`, 1))
	good := placedEvent(id)
	b.append(id, bad, good)
	b.run()
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 1, bridge.Parked: 1})
	require.Equal(t, good.ID.String(), startInput(t, b.temporal, id).Source.EventID)
}

func TestBridge_InvalidEvents(t *testing.T) {
	t.Parallel()
	b := newBridgeRig(t)
	spoil := func(id, old, replacement string) {
		event := placedEvent(id)
		event.Data = []byte(strings.Replace(string(event.Data), old, replacement, 1))
		require.Contains(t, string(event.Data), replacement)
		b.append(id, event)
	}
	spoil(newOrderID(), `"quantity":2`, `"quantity":0`)
	spoil(newOrderID(), `"customerId":"customer-7"`, `"customerId":""`)
	spoil(newOrderID(), `"USD100.00"`, `"USD1e9"`)
	b.append(newOrderID(), kurrent.NewEvent{ID: newEvent("x", 1).ID, Type: order.TypePlaced, Data: []byte(`{"a":1,}`)}) // delivered: the server is not that strict
	b.append(newOrderID(), newEvent(order.TypePaid, json.RawMessage(`{"amount":12}`)))
	b.append(newOrderID(), newEvent(order.TypeCancellationRequested, json.RawMessage(`{"reason":"a b@c"}`)))
	good := newOrderID()
	b.append(good, placedEvent(good))
	b.run()
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 1, bridge.Parked: 6})
	reasons := strings.Join(b.awaitParked(6), "\n")
	for _, want := range []string{"lineItems[0].quantity: ", "customerId: ", "lineItems[0].pricePerUnit: ", "amount: ", "reason: "} {
		require.Contains(t, reasons, want)
	}
	require.NotContains(t, reasons, "a b@c", "a reason names the value's kind, never the value")
}

func TestBridge_IgnoredEvents(t *testing.T) {
	t.Parallel()
	b, id := newBridgeRig(t), newOrderID()
	b.append(id, newEvent("order-viewed", map[string]any{}), newEvent("order-packed", map[string]any{}))
	b.run()
	b.awaitCounts(map[bridge.Result]int{bridge.Ignored: 2})
	require.Empty(t, b.parked(t))
}

func TestHandlePlaced_ErasedOrder(t *testing.T) {
	t.Parallel()
	b, id := newBridgeRig(t), newOrderID()
	event := placedEvent(id)
	outcome, err := b.options.Router.Apply(t.Context(), bridge.Event{
		ID: event.ID, Stream: id, Revision: 1, Type: order.TypePlaced, ContentType: "application/json", Data: event.Data,
	})
	require.NoError(t, err)
	require.Equal(t, bridge.Ignored, outcome)
}

func TestHandlePaid_EachStartsASettlement(t *testing.T) {
	t.Parallel()
	b, id := newBridgeRig(t), newOrderID()
	b.append(id, placedEvent(id), newEvent(order.TypePaid, map[string]any{"amount": "USD242.00"}), newEvent(order.TypePaid, map[string]any{"amount": "USD242.00"}))
	b.run()
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 3})
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, b.status(workflows.SettlementID(id, 1)))
	require.Equal(t, workflows.CustomerPriority("customer-7").FairnessKey, fairnessKey(t, b.temporal, workflows.SettlementID(id, 1)))
}

func TestHandlePaid(t *testing.T) {
	t.Parallel()
	payment := newEvent(order.TypePaid, map[string]any{"amount": "USD242.00", "paymentId": "p-1"})
	t.Run("waits for an order delivered after it", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.append(id, payment)
		event, err := b.events.ReadEvent(t.Context(), id, 0)
		require.NoError(t, err)
		_, err = b.options.Router.Apply(t.Context(), bridge.Event(event))
		require.ErrorIs(t, err, routes.ErrNotPlaced)
		b.run()
		b.awaitJoined()
		b.append(id, placedEvent(id))
		b.awaitCounts(map[bridge.Result]int{bridge.Started: 2})
		require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, b.status(workflows.SettlementID(id, 0)))
		require.Empty(t, b.parked(t))
	})
	t.Run("is parked if no order comes", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.options.HoldTimeout = time.Second // the wait for the order
		b.append(id, payment)
		b.run()
		require.Equal(t, []string{"ORDER_UNKNOWN: the order has not been placed"}, b.awaitParked(1))
	})
	t.Run("is parked if its order is", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.append(id, newEvent(order.TypePlaced, map[string]any{"orderId": id}), payment)
		b.run()
		require.Contains(t, b.awaitParked(2), "ORDER_UNKNOWN: customerId: is missing")
	})
	t.Run("is ignored if its order is erased", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.append(id, placedEvent(id), payment)
		event, err := b.events.ReadEvent(t.Context(), id, 1)
		require.NoError(t, err)
		b.append("$$"+id, newEvent("$metadata", map[string]any{"$tb": int64(math.MaxInt64)})) // as a soft deletion does
		outcome, err := b.options.Router.Apply(t.Context(), bridge.Event(event))
		require.NoError(t, err)
		require.Equal(t, bridge.Ignored, outcome)
	})
}

func TestBridge_CancellationFindsItsOrder(t *testing.T) {
	t.Parallel()
	requested := newEvent(order.TypeCancellationRequested, map[string]any{"reason": "customer-request"})
	t.Run("that is running", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.append(id, placedEvent(id))
		b.run()
		b.awaitCounts(map[bridge.Result]int{bridge.Started: 1})
		b.append(id, requested)
		b.awaitCounts(map[bridge.Result]int{bridge.Signalled: 1})
		require.Equal(t, 1, b.signals(id))
	})
	t.Run("that has not been started yet", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.append(id, placedEvent(id), requested)
		event, err := b.events.ReadEvent(t.Context(), id, 1)
		require.NoError(t, err)
		outcome, err := b.options.Router.Apply(t.Context(), bridge.Event(event))
		require.NoError(t, err)
		require.Equal(t, bridge.Signalled, outcome)
		require.Equal(t, 1, b.signals(id))
		b.run() // the order itself finds its workflow started by the same event
		b.awaitCounts(map[bridge.Result]int{bridge.Duplicate: 1, bridge.Signalled: 1})
		require.Empty(t, b.parked(t))
	})
	t.Run("that is closed", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.append(id, placedEvent(id))
		b.run()
		b.awaitCounts(map[bridge.Result]int{bridge.Started: 1})
		require.NoError(t, b.temporal.TerminateWorkflow(t.Context(), id, "", "test"))
		b.append(id, requested)
		b.awaitCounts(map[bridge.Result]int{bridge.Late: 1})
	})
	t.Run("that was never placed", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.options.HoldTimeout = time.Second // the wait for the order
		b.append(id, requested)
		b.run()
		b.awaitCounts(map[bridge.Result]int{bridge.Parked: 1})
		require.Equal(t, []string{"ORDER_UNKNOWN: the order has not been placed"}, b.awaitParked(1))
	})
}
