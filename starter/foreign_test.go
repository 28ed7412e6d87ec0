package main

import (
	"context"
	"slices"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/bridge"
	"orderflow/internal/order"
	"orderflow/workflows"
)

func TestBridge_ForeignWorkflow(t *testing.T) {
	t.Parallel()
	cancellationEvent := newEvent(order.TypeCancellationRequested, map[string]any{"reason": "customer-request"})
	payment := newEvent(order.TypePaid, map[string]any{"amount": "USD242.00"})
	t.Run("parks the order and its messages until it is deleted", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.startByHand(id, "SomethingElse")
		b.startByHand(workflows.SettlementID(id, 2), "SomethingElse")
		b.append(id, placedEvent(id), cancellationEvent, payment)
		b.run()
		b.awaitCounts(map[bridge.Result]int{bridge.Parked: 3})
		for _, reason := range b.awaitParked(3) {
			require.Regexp(t, "^FOREIGN_WORKFLOW: (settlement-)?"+id+"(-2)? is a workflow of type SomethingElse, not Order", reason)
		}
		require.Zero(t, b.signals(id))

		b.deleteWorkflow(id)
		b.deleteWorkflow(workflows.SettlementID(id, 2))
		require.NoError(t, b.admin().ReplayParkedMessages(t.Context(), "$ce-order", "fulfillment", kurrentdb.ReplayParkedMessagesOptions{}))
		require.Eventually(t, func() bool {
			return b.count(bridge.Started)+b.count(bridge.Duplicate) == 2 && b.count(bridge.Signalled) == 1
		}, longEnough, waitTick)
		require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, b.status(id))
		require.Equal(t, 1, b.signals(id))
	})
	t.Run("does not count as the order's closed workflow", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.startByHand(id, "SomethingElse")
		require.NoError(t, b.temporal.TerminateWorkflow(t.Context(), id, "", "test"))
		b.append(id, placedEvent(id), cancellationEvent)
		b.run()
		b.awaitCounts(map[bridge.Result]int{bridge.Parked: 2, bridge.Late: 0})
	})
	t.Run("is not signaled if it starts between the lookup and the signal", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.append(id, placedEvent(id), cancellationEvent)
		// The bridge finds no workflow, and before it acts there is one.
		b.options.Router.Temporal = &racingClient{Client: b.temporal, once: func() { b.startByHand(id, "SomethingElse") }}
		event, err := b.events.ReadEvent(t.Context(), id, 1)
		require.NoError(t, err)
		_, err = b.options.Router.Apply(t.Context(), bridge.Event(event))
		require.ErrorContains(t, err, "FOREIGN_WORKFLOW")
		require.Zero(t, b.signals(id))
	})
}

func TestHandleCancellation(t *testing.T) {
	t.Parallel()
	cancellationEvent := newEvent(order.TypeCancellationRequested, map[string]any{"reason": "customer-request"})
	t.Run("reaches the new run of a workflow that continued as new", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.append(id, placedEvent(id), cancellationEvent)
		first := b.startContinuing(id)
		b.options.Router.Temporal = &racingClient{Client: b.temporal, once: func() {
			require.NoError(t, b.temporal.SignalWorkflow(t.Context(), id, "", "continue", nil))
			require.Eventually(t, func() bool { return b.newestRun(id) != first }, longEnough, waitTick)
		}}
		event, err := b.events.ReadEvent(t.Context(), id, 1)
		require.NoError(t, err)
		outcome, err := b.options.Router.Apply(t.Context(), bridge.Event(event))
		require.NoError(t, err)
		require.Equal(t, bridge.Signalled, outcome)
		require.Equal(t, 1, b.signals(id), "of the newest run")
	})
	t.Run("is in the first task of an order delivered after it", func(t *testing.T) {
		t.Parallel()
		b, id := newBridgeRig(t), newOrderID()
		b.append(id, placedEvent(id), cancellationEvent)
		event, err := b.events.ReadEvent(t.Context(), id, 1)
		require.NoError(t, err)
		_, err = b.options.Router.Apply(t.Context(), bridge.Event(event))
		require.NoError(t, err)
		history := b.temporal.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		var types []enums.EventType
		for history.HasNext() {
			event, err := history.Next()
			require.NoError(t, err)
			types = append(types, event.GetEventType())
		}
		types = slices.DeleteFunc(types, func(each enums.EventType) bool { // after the delay of the start
			return each == enums.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
		})
		require.Equal(t, []enums.EventType{
			enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
		}, types[:2])
	})
}

// racingClient calls once after the bridge's first DescribeWorkflow.
type racingClient struct {
	client.Client
	once func()
}

func (h *racingClient) DescribeWorkflow(
	ctx context.Context, workflowID, runID string,
) (*client.WorkflowExecutionDescription, error) {
	description, err := h.Client.DescribeWorkflow(ctx, workflowID, runID)
	if h.once != nil {
		h.once()
		h.once = nil
	}
	return description, err
}

func (b *bridgeRig) newestRun(id string) string {
	b.t.Helper()
	description, err := b.temporal.DescribeWorkflow(b.t.Context(), id, "")
	require.NoError(b.t, err)
	return description.RawResponse.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}

// startContinuing runs a workflow of the order's type that continues as new on a signal.
func (b *bridgeRig) startContinuing(id string) (runID string) {
	b.t.Helper()
	w := worker.New(b.temporal, id, worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		workflow.GetSignalChannel(ctx, "continue").Receive(ctx, nil)
		return workflow.NewContinueAsNewError(ctx, workflows.OrderFulfillmentType)
	}, workflow.RegisterOptions{Name: workflows.OrderFulfillmentType})
	require.NoError(b.t, w.Start())
	b.t.Cleanup(w.Stop)
	run, err := b.temporal.ExecuteWorkflow(b.t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: id}, workflows.OrderFulfillmentType)
	require.NoError(b.t, err)
	return run.GetRunID()
}
