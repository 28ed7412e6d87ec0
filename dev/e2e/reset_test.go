package e2e_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"orderflow/internal/order"
)

// reset resets an order to an event of one of its runs, as the Web UI does.
func (s *stackClient) reset(id, run string, event int64) {
	s.t.Helper()
	_, err := s.temporal.ResetWorkflowExecution(s.t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: run}, Reason: "tried by a test",
		WorkflowTaskFinishEventId: event, RequestId: uuid.NewString(),
	})
	require.NoError(s.t, err)
}

func (s *stackClient) currentRun(id string) string {
	s.t.Helper()
	description, err := s.temporal.DescribeWorkflow(s.t.Context(), id, "")
	require.NoError(s.t, err)
	return description.RawResponse.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}

// resetPoints returns the events an order can be reset to: the end of each of its
// workflow tasks.
func (s *stackClient) resetPoints(id string) (points []int64) {
	s.t.Helper()
	for _, event := range s.history(id).GetEvents() {
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			points = append(points, event.GetEventId())
		}
	}
	return points
}

// The states an order can be in when it is reset, each with how it got there.
var resetScenarios = []struct {
	name    string
	price   string
	happen  func(s *stackClient, id string)
	status  order.Status // the resulting status of the order
	email   string       // status of its email
	forgets bool         // a reset omits the action: the server repeats messages, but no native cancellation
}{
	{"waits for its shipment", "", func(*stackClient, string) {}, order.StatusFulfilling, "sent", false},
	{"waits on hold", overTheLimit, func(*stackClient, string) {}, order.StatusOnHold, "none", false},
	{"is approved", overTheLimit, func(s *stackClient, id string) {
		s.awaitStatus(id, order.StatusOnHold)
		s.signal(id, "approve-credit", approval)
	},
		order.StatusFulfilling, "sent", false},
	{"is declined", overTheLimit, func(s *stackClient, id string) {
		s.awaitStatus(id, order.StatusOnHold)
		s.signal(id, "decline-credit", approval)
	},
		order.StatusRejected, "sent", false},
	{"is shipped", "", func(s *stackClient, id string) {
		s.awaitMail(id, order.StatusFulfilling, "sent")
		s.signal(id, "record-shipment", shipped)
	},
		order.StatusShipped, "sent", false},
	{"is cancelled", "", func(s *stackClient, id string) {
		s.awaitMail(id, order.StatusFulfilling, "sent")
		s.signal(id, "cancel-order", cancelRequest)
	},
		order.StatusCancelled, "sent", false},
	{"is cancelled natively", "", func(s *stackClient, id string) {
		s.awaitMail(id, order.StatusFulfilling, "sent")
		require.NoError(s.t, s.temporal.CancelWorkflow(s.t.Context(), id, ""))
	}, order.StatusCancelled, "sent", true},
	{"is cancelled on hold", overTheLimit, func(s *stackClient, id string) {
		s.awaitStatus(id, order.StatusOnHold)
		s.signal(id, "cancel-order", cancelRequest)
	},
		order.StatusCancelled, "none", false},
}

func TestReset_HasNoNewEffect(t *testing.T) {
	t.Parallel()
	for _, scenario := range resetScenarios {
		for _, terminated := range []bool{false, true} {
			name := "an order that " + scenario.name
			if terminated {
				name += " and was terminated"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newStackClient(t)
				customer := "customer-" + uuid.NewString()
				id := s.place(orderSpec{customer: customer, price: scenario.price})
				scenario.happen(s, id)
				s.awaitMail(id, scenario.status, scenario.email)
				if scenario.status.Final() {
					s.closed(id)
				}
				before, run := s.storedEffects(id, customer), s.currentRun(id)
				for _, point := range s.resetPoints(id) {
					if terminated && s.isRunning(id) {
						require.NoError(t, s.temporal.TerminateWorkflow(t.Context(), id, "", "tried by a test"))
					}
					s.reset(id, run, point)
					if scenario.forgets { // the order waits again, and the next event finds it canceled
						require.NoError(t, s.temporal.CancelWorkflow(t.Context(), id, ""))
					}
					s.awaitSettled(id, scenario.status, scenario.email)
					require.Equal(t, before, s.storedEffects(id, customer), fmt.Sprintf("after a reset to event %d", point))
				}
			})
		}
	}
}

// awaitSettled waits until an order that was reset is in its earlier state, and so are
// its emails, which are sent concurrently.
func (s *stackClient) awaitSettled(id string, status order.Status, mail string) {
	s.t.Helper()
	if status.Final() {
		s.closed(id)
	}
	s.awaitMail(id, status, mail)
	s.mailsClosed(id)
}

func (s *stackClient) isRunning(id string) bool {
	s.t.Helper()
	description, err := s.temporal.DescribeWorkflow(s.t.Context(), id, "")
	require.NoError(s.t, err)
	return description.RawResponse.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// Terminating an order leaves its effects in place; the worker cannot compensate for what
// it does not notice. A message to it is an error, and a reset continues it.
func TestReset_TerminatedOrder(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	customer := "customer-" + uuid.NewString()
	id := s.place(orderSpec{customer: customer})
	s.awaitMail(id, order.StatusFulfilling, "sent")
	require.NoError(t, s.temporal.TerminateWorkflow(t.Context(), id, "", "tried by a test"))
	require.Equal(t, []string{"credit-account-opened", "credit-reserved"}, s.credit(customer))
	_, err := s.update(id, "cancel-order", cancelRequest)
	require.Error(t, err)
	s.reset(id, s.currentRun(id), s.resetPoints(id)[0])
	state, err := s.update(id, "cancel-order", cancelRequest)
	require.NoError(t, err)
	require.Equal(t, order.StatusCancelled, state.Status)
	require.Equal(t, []string{"credit-account-opened", "credit-reserved", "credit-released"}, s.credit(customer))
	s.closed(id)
	require.ElementsMatch(t, []string{"confirmation", "cancellation"}, kinds(s.mails(id)))
}
