package reconcile

import (
	"context"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"orderflow/bridge"
	"orderflow/dev/startertest"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/routes"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

func (h *reconcileRig) signal(id, name string, message any) {
	h.t.Helper()
	require.NoError(h.t, h.temporal.SignalWorkflow(h.t.Context(), id, "", name, message))
}

func (h *reconcileRig) update(id, name string, message any) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	handle, err := h.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: name, Args: []any{message}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	require.NoError(h.t, err)
	require.NoError(h.t, handle.Get(ctx, nil))
}

func (h *reconcileRig) ship(id string) {
	h.t.Helper()
	h.update(id, workflows.RecordShipmentMessage, shipment)
}

// awaitEmails waits until an order got exactly these emails.
func (h *reconcileRig) awaitEmails(id string, want ...email.Kind) {
	h.t.Helper()
	require.EventuallyWithT(h.t, func(t *assert.CollectT) {
		require.Equal(t, want, h.mailer.kinds(id))
	}, longEnough, 20*time.Millisecond)
}

// awaitAttempt waits until a held mailer was asked for an email.
func (h *reconcileRig) awaitAttempt() {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		h.mailer.mu.Lock()
		defer h.mailer.mu.Unlock()
		return h.mailer.waiting > 0
	}, longEnough, waitTick)
}

// describe returns the state of a workflow of any type.
func (h *reconcileRig) describe(id string) workflowState {
	h.t.Helper()
	return h.describeFor(h.t, id)
}

func (h *reconcileRig) describeFor(t require.TestingT, id string) workflowState {
	description, err := h.temporal.DescribeWorkflow(h.t.Context(), id, "")
	if temporalclient.IsNotFound(err) {
		return workflowNone
	}
	require.NoError(t, err)
	return stateOf(description.RawResponse.GetWorkflowExecutionInfo().GetStatus())
}

func (h *reconcileRig) awaitClosed(id string) {
	h.t.Helper()
	require.EventuallyWithT(h.t, func(t *assert.CollectT) {
		require.NotEqual(t, workflowOpen, h.describeFor(t, id))
	}, longEnough, waitTick)
}

// memo returns the id of the event that an order's workflow was started for.
func (h *reconcileRig) memo(id string) (eventID string) {
	h.t.Helper()
	description, err := h.temporal.DescribeWorkflow(h.t.Context(), id, "")
	require.NoError(h.t, err)
	memo := description.RawResponse.GetWorkflowExecutionInfo().GetMemo().GetFields()[workflows.MemoSourceEventID]
	require.NoError(h.t, converter.GetDefaultDataConverter().FromPayload(memo, &eventID))
	return eventID
}

// input returns the input that an order's workflow was started with.
func (h *reconcileRig) input(id string) workflows.Input {
	h.t.Helper()
	placed, err := h.orders.FindPlaced(h.t.Context(), id)
	require.NoError(h.t, err)
	input, err := routes.Input(bridge.Event(placed))
	require.NoError(h.t, err)
	return input
}

// erase deletes an order's stream.
func (h *reconcileRig) erase(id string) {
	h.t.Helper()
	h.Append("$$"+id, startertest.NewEvent("$metadata", map[string]any{"$tb": int64(math.MaxInt64)}))
}

func (h *reconcileRig) startByHand(id, workflowType string) {
	h.t.Helper()
	_, err := h.temporal.ExecuteWorkflow(h.t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "nobody"}, workflowType)
	require.NoError(h.t, err)
}

func (h *reconcileRig) writeRow(id string) {
	h.t.Helper()
	placed, err := order.DecodePlaced(id, "application/json", orderFor(id, "customer-of-"+id, "USD1.00").Data)
	require.NoError(h.t, err)
	_, err = h.rows.StartFulfillment(h.t.Context(), fulfillment.Start{Order: placed, Source: order.Source{EventID: uuid.NewString()}})
	require.NoError(h.t, err)
}

func (h *reconcileRig) reserve(id string) {
	h.t.Helper()
	_, err := h.accounts.Reserve(h.t.Context(), credit.Request{
		CustomerID: "customer-of-" + id, OrderID: id, Amount: order.Money{Minor: 100, Currency: "USD"},
	})
	require.NoError(h.t, err)
}

// task selects the workflow task an order is reset to.
type task bool

const (
	firstTask task = false
	lastTask  task = true
)

// reset resets a workflow to one of its completed tasks, as the Web UI does.
func (h *reconcileRig) reset(id string, to task) {
	h.t.Helper()
	description, err := h.temporal.DescribeWorkflow(h.t.Context(), id, "")
	require.NoError(h.t, err)
	run := description.RawResponse.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	var taskID int64
	history := h.temporal.GetWorkflowHistory(h.t.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		require.NoError(h.t, err)
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED && (taskID == 0 || to == lastTask) {
			taskID = event.GetEventId()
		}
	}
	_, err = h.temporal.ResetWorkflowExecution(h.t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: h.namespace, WorkflowExecution: executionOf(id, run), Reason: "test",
		WorkflowTaskFinishEventId: taskID, RequestId: uuid.NewString(),
	})
	require.NoError(h.t, err)
}

func executionOf(id, runID string) *common.WorkflowExecution {
	return &common.WorkflowExecution{WorkflowId: id, RunId: runID}
}
