package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// fillHistory sends so many unusable signals that the server suggests to continue as new.
// The worker must be stopped.
func (o *orderOnServer) fillHistory() {
	o.t.Helper()
	noise := make([]byte, 1<<20)
	for range 5 {
		o.signal("noise", noise)
	}
}

func (o *orderOnServer) describe() *workflowservice.DescribeWorkflowExecutionResponse {
	o.t.Helper()
	description, err := o.client.DescribeWorkflow(o.t.Context(), o.id, "")
	require.NoError(o.t, err)
	return description.RawResponse
}

// awaitContinued waits until the order has continued in another run.
func (o *orderOnServer) awaitContinued(firstRun string) {
	o.t.Helper()
	o.eventually("another run", func() bool {
		return o.describe().GetWorkflowExecutionInfo().GetExecution().GetRunId() != firstRun
	})
}

func TestContinueAsNew(t *testing.T) {
	t.Parallel()
	approve := workflows.ApproveCredit{By: "op-1"}
	t.Run("an order on hold continues with the same end of the hold", func(t *testing.T) {
		t.Parallel()
		o := newOrderOnServer(t)
		o.stores.holdFor = time.Hour
		o.startWorker()
		o.start()
		o.awaitStatus(order.StatusOnHold)
		before := o.describe()
		o.stopWorker()
		o.fillHistory()
		o.startWorker()
		first := before.GetWorkflowExecutionInfo().GetExecution().GetRunId()
		o.awaitContinued(first)
		o.awaitStatus(order.StatusOnHold)
		after := o.describe()
		require.Equal(t, before.GetWorkflowExecutionInfo().GetMemo().GetFields()[workflows.MemoSourceEventID].GetData(),
			after.GetWorkflowExecutionInfo().GetMemo().GetFields()[workflows.MemoSourceEventID].GetData())
		for name, value := range before.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields() {
			if name != "BuildIds" && name != "TemporalChangeVersion" {
				require.Equal(t, value.GetData(), after.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()[name].GetData(), name)
			}
		}
		require.Contains(t, o.currentDetails(), o.input().Summary(), "continue-as-new drops the summary, so the details include it")
		require.Contains(t, o.currentDetails(), o.input().Details())
		var timer time.Duration
		for _, event := range o.history("") {
			if event.GetEventType() == enums.EVENT_TYPE_TIMER_STARTED {
				timer = event.GetTimerStartedEventAttributes().GetStartToFireTimeout().AsDuration()
			}
		}
		require.Less(t, timer, time.Hour)
		o.signal(workflows.ApproveCreditMessage, approve)
		o.awaitStatus(order.StatusFulfilling)
		o.signal(workflows.RecordShipmentMessage, shipment)
		state, err := o.result()
		require.NoError(t, err)
		require.Equal(t, order.StatusShipped, state.Status)
		require.Equal(t, 1, o.stores.reserved)
		o.record("continued-on-hold-second-run", "")
	})
	for name, c := range map[string]struct {
		send   func(o *orderOnServer)
		status order.Status
		native bool
	}{
		"a shipment that was taken ships": {send: func(o *orderOnServer) {
			o.signal(workflows.RecordShipmentMessage, shipment)
		}, status: order.StatusShipped},
		"a cancellation that was taken cancels": {send: func(o *orderOnServer) {
			o.signal(workflows.CancelOrderMessage, cancelOrder)
		}, status: order.StatusCancelled},
		"a shipment beats a cancellation": {send: func(o *orderOnServer) {
			o.signal(workflows.CancelOrderMessage, cancelOrder)
			o.signal(workflows.RecordShipmentMessage, shipment)
		}, status: order.StatusShipped},
		"a native cancellation ends as one": {send: func(o *orderOnServer) {
			require.NoError(o.t, o.client.CancelWorkflow(o.t.Context(), o.id, ""))
		}, status: order.StatusCancelled, native: true},
		"a cancellation that could not be signaled is found on the stream": {send: func(o *orderOnServer) {
			o.stores.mu.Lock()
			defer o.stores.mu.Unlock()
			o.stores.requested = &activities.RequestedCancellation{Requested: true, Reason: "late"}
		}, status: order.StatusCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrderOnServer(t)
			o.startWorker()
			o.start()
			o.awaitStatus(order.StatusFulfilling)
			o.stopWorker()
			c.send(o)
			o.fillHistory()
			o.startWorker()
			state, err := o.result()
			var canceled *temporal.CanceledError
			if c.native {
				require.ErrorAs(t, err, &canceled)
				require.NoError(t, canceled.Details(&state))
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, c.status, state.Status)
			o.record("continued-"+slug(name), "")
		})
	}
	t.Run("a waiting update returns and its message is kept", func(t *testing.T) {
		t.Parallel()
		o := newOrderOnServer(t)
		o.startWorker()
		o.start()
		o.awaitStatus(order.StatusFulfilling)
		first := o.describe().GetWorkflowExecutionInfo().GetExecution().GetRunId()
		o.stores.block()
		answer := o.update(workflows.RecordShipmentMessage, shipment)
		o.awaitUpdate()
		o.stopWorker()
		o.fillHistory()
		o.startWorker()
		var application *temporal.ApplicationError
		require.ErrorAs(t, <-answer, &application)
		require.Equal(t, workflows.Continued, application.Type())
		o.awaitContinued(first)
		o.stores.unblock()
		state, err := o.result()
		require.NoError(t, err)
		require.Equal(t, order.StatusShipped, state.Status)
	})
}

func TestFinish_HandsEmailsOverDespiteLongHistory(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.row = &activities.Fulfillment{Status: order.StatusFulfilling, Email: email.StatusUnknown}
	completed := 0
	e.env.SetOnLocalActivityCompletedListener(func(*activity.Info, converter.EncodedValue, error) {
		completed++ // to reserve, to start, to close
		e.env.SetContinueAsNewSuggested(completed == 3)
	})
	e.after(time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
	e.run()
	require.Equal(t, 3, completed)
	require.Equal(t, order.StatusShipped, e.state().Status)
	require.Equal(t, []string{"email-order-0001-confirmation"}, e.handedOver)
}

// currentDetails returns the details that the Web UI shows for the running order.
func (o *orderOnServer) currentDetails() string {
	o.t.Helper()
	value, err := o.client.QueryWorkflow(o.t.Context(), o.id, "", "__temporal_workflow_metadata")
	require.NoError(o.t, err)
	var metadata sdk.WorkflowMetadata
	require.NoError(o.t, value.Get(&metadata))
	return metadata.GetCurrentDetails()
}

// awaitUpdate waits until an update has been accepted.
func (o *orderOnServer) awaitUpdate() {
	o.awaitEvent(enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED)
}
