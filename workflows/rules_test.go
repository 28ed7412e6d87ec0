package workflows_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/order"
	"orderflow/workflows"
)

// startWorkerWithoutRules starts a worker from before there were rules, which ignores them
// in the input.
func (o *orderOnServer) startWorkerWithoutRules() {
	o.t.Helper()
	o.worker = worker.New(o.client, o.queue, untilStopped())
	o.worker.RegisterWorkflowWithOptions(func(ctx workflow.Context, in workflows.Input) (*order.State, error) {
		in.Rules = 0
		return workflows.OrderFulfillment(ctx, in)
	}, workflow.RegisterOptions{Name: workflows.OrderFulfillmentType})
	for name, do := range o.stores.activities() {
		o.worker.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: name})
	}
	require.NoError(o.t, o.worker.Start())
}

// count returns the number of events of a kind.
func (o *orderOnServer) count(kind enums.EventType) (n int) {
	for _, event := range o.history("") {
		if event.GetEventType() == kind {
			n++
		}
	}
	return n
}

// awaitNondeterminism waits until the worker cannot replay the order. The history shows only
// a first attempt that fails: the first may have gone to a worker that was stopping.
func (o *orderOnServer) awaitNondeterminism() {
	o.t.Helper()
	o.eventually("the worker cannot replay the order", func() bool {
		return len(o.lines.of(slog.LevelError, "TMPRL1100")) > 0
	})
}

// resetToFirstTask does what `temporal workflow reset --type FirstWorkflowTask` does.
func (o *orderOnServer) resetToFirstTask() {
	o.t.Helper()
	var first int64
	for _, event := range o.history("") {
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			first = event.GetEventId()
			break
		}
	}
	_, err := o.client.ResetWorkflowExecution(o.t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: client.DefaultNamespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: o.id},
		Reason: "begun by a worker that does not know its rules", WorkflowTaskFinishEventId: first, RequestId: uuid.NewString(),
	})
	require.NoError(o.t, err)
}

func TestRules(t *testing.T) {
	t.Parallel()
	t.Run("an order's first steps share one workflow task", func(t *testing.T) {
		t.Parallel()
		o := newOrderOnServer(t)
		o.startWorker()
		o.start()
		o.awaitStatus(order.StatusFulfilling)
		require.Equal(t, 1, o.count(enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED))
		require.Equal(t, 2, o.count(enums.EVENT_TYPE_MARKER_RECORDED))
		require.Zero(t, o.count(enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED))
	})
	t.Run("a reset cures an order that an older worker has begun", func(t *testing.T) {
		t.Parallel()
		o := newOrderOnServer(t)
		o.startWorkerWithoutRules()
		o.start()
		o.awaitStatus(order.StatusFulfilling)
		require.Zero(t, o.count(enums.EVENT_TYPE_MARKER_RECORDED))
		o.stopWorker()
		o.startWorker()
		o.signal(workflows.RecordShipmentMessage, shipment)
		o.awaitNondeterminism()
		o.resetToFirstTask()
		state, err := o.result()
		require.NoError(t, err)
		require.Equal(t, order.StatusShipped, state.Status)
		require.Equal(t, order.CreditReserved, state.Credit)
		o.record("reset-to-its-rules", "")
	})
	t.Run("a reset cures an order that a newer worker has begun", func(t *testing.T) {
		t.Parallel()
		o := newOrderOnServer(t)
		o.startWorker()
		o.start()
		o.awaitStatus(order.StatusFulfilling)
		o.stopWorker()
		o.startWorkerWithoutRules()
		o.signal(workflows.RecordShipmentMessage, shipment)
		o.awaitNondeterminism()
		o.resetToFirstTask()
		state, err := o.result()
		require.NoError(t, err)
		require.Equal(t, order.StatusShipped, state.Status)
	})
}

// scheduled returns the types of the regular activities, in the order of their events.
func (o *orderOnServer) scheduled() (names []string) {
	for _, event := range o.history("") {
		if a := event.GetActivityTaskScheduledEventAttributes(); a != nil && a.GetActivityType().GetName() != "SendEmail" {
			names = append(names, a.GetActivityType().GetName())
		}
	}
	return names
}

// What an update causes must not happen before the update is in the history.
func TestRules_Update(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hold    time.Duration
		message string
		body    any
		before  order.Status
		first   string // the step after the update
	}{
		"a shipment":     {0, workflows.RecordShipmentMessage, shipment, order.StatusFulfilling, "CloseFulfillment"},
		"a cancellation": {0, workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "customer-request"}, order.StatusFulfilling, "CloseFulfillment"},
		"a decline":      {time.Hour, workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-1"}, order.StatusOnHold, "ReleaseCredit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrderOnServer(t)
			o.stores.holdFor = c.hold
			o.startWorker()
			o.start()
			o.awaitStatus(c.before)
			require.Empty(t, o.scheduled())
			markers := o.count(enums.EVENT_TYPE_MARKER_RECORDED)
			require.NoError(t, <-o.update(c.message, c.body))
			_, err := o.result()
			require.NoError(t, err)
			require.Equal(t, []string{c.first}, o.scheduled())
			if c.message != workflows.RecordShipmentMessage { // the step after it is local again
				require.Equal(t, markers+1, o.count(enums.EVENT_TYPE_MARKER_RECORDED))
			}
			require.NoError(t, newReplayer(t).ReplayWorkflowHistory(nil, &history.History{Events: o.history("")}))
		})
	}
}

func TestRules_Unknown(t *testing.T) {
	t.Parallel()
	run := func(rules int) error {
		e := newOrderEnv(t)
		in := input()
		in.Rules = rules
		e.env.ExecuteWorkflow(workflows.OrderFulfillmentType, in)
		require.Empty(t, e.calls())
		return e.env.GetWorkflowError()
	}
	var panicked *temporal.PanicError
	require.ErrorAs(t, run(workflows.CurrentRules+1), &panicked)
	require.ErrorContains(t, panicked, "upgrade it")
	require.ErrorContains(t, run(-1), "rules: must not be negative")
}

// A reset puts the decisions that were signaled before the hold.
func TestRules_DecisionBeforeHold(t *testing.T) {
	t.Parallel()
	approve, decline := workflows.ApproveCredit{By: "op-1"}, workflows.DeclineCredit{By: "op-2"}
	for name, c := range map[string]struct {
		send   func(*orderOnServer)
		status order.Status
	}{
		"an approval": {func(o *orderOnServer) { o.signal(workflows.ApproveCreditMessage, approve) }, order.StatusFulfilling},
		"a decline wins over an approval": {func(o *orderOnServer) {
			o.signal(workflows.ApproveCreditMessage, approve)
			o.signal(workflows.DeclineCreditMessage, decline)
		}, order.StatusRejected},
		"a decline before an approval": {func(o *orderOnServer) {
			o.signal(workflows.DeclineCreditMessage, decline)
			o.signal(workflows.ApproveCreditMessage, approve)
		}, order.StatusRejected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrderOnServer(t)
			o.stores.holdFor = time.Hour
			o.start()
			c.send(o)
			o.startWorker()
			o.awaitStatus(c.status)
		})
	}
}
