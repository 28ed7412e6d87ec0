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

// reset starts an order anew from an event of one of its runs, as the Web UI does.
func (s *shop) reset(id, run string, event int64) {
	s.t.Helper()
	_, err := s.temporal.ResetWorkflowExecution(s.t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: run}, Reason: "tried by a test",
		WorkflowTaskFinishEventId: event, RequestId: uuid.NewString(),
	})
	require.NoError(s.t, err)
}

func (s *shop) currentRun(id string) string {
	s.t.Helper()
	description, err := s.temporal.DescribeWorkflow(s.t.Context(), id, "")
	require.NoError(s.t, err)
	return description.RawResponse.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}

// resetPoints are the events an order can be reset to: the end of each of its workflow tasks.
func (s *shop) resetPoints(id string) (points []int64) {
	s.t.Helper()
	for _, event := range s.history(id).GetEvents() {
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			points = append(points, event.GetEventId())
		}
	}
	return points
}

// The ways an order can have gone when somebody resets it, each with what happened on it.
var resetWays = []struct {
	name    string
	price   string
	happen  func(s *shop, id string)
	rests   order.Status // where the order is then
	settled string       // its mail
	forgets bool         // a reset leaves out what happened: the server repeats messages, and no native cancellation
}{
	{"waits for its shipment", "", func(*shop, string) {}, order.StatusFulfilling, "sent", false},
	{"waits on hold", overTheLimit, func(*shop, string) {}, order.StatusOnHold, "none", false},
	{"is approved", overTheLimit, func(s *shop, id string) {
		s.awaitStatus(id, order.StatusOnHold)
		s.signal(id, "approve-credit", approval)
	},
		order.StatusFulfilling, "sent", false},
	{"is declined", overTheLimit, func(s *shop, id string) {
		s.awaitStatus(id, order.StatusOnHold)
		s.signal(id, "decline-credit", approval)
	},
		order.StatusRejected, "sent", false},
	{"is shipped", "", func(s *shop, id string) {
		s.awaitMail(id, order.StatusFulfilling, "sent")
		s.signal(id, "record-shipment", shipped)
	},
		order.StatusShipped, "sent", false},
	{"is cancelled", "", func(s *shop, id string) {
		s.awaitMail(id, order.StatusFulfilling, "sent")
		s.signal(id, "cancel-order", cancelRequest)
	},
		order.StatusCancelled, "sent", false},
	{"is cancelled natively", "", func(s *shop, id string) {
		s.awaitMail(id, order.StatusFulfilling, "sent")
		require.NoError(s.t, s.temporal.CancelWorkflow(s.t.Context(), id, ""))
	}, order.StatusCancelled, "sent", true},
	{"is cancelled on hold", overTheLimit, func(s *shop, id string) {
		s.awaitStatus(id, order.StatusOnHold)
		s.signal(id, "cancel-order", cancelRequest)
	},
		order.StatusCancelled, "none", false},
}

func TestAResetDoublesNothing(t *testing.T) {
	t.Parallel()
	for _, way := range resetWays {
		for _, terminated := range []bool{false, true} {
			name := "an order that " + way.name
			if terminated {
				name += " and was terminated"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				customer := "customer-" + uuid.NewString()
				id := s.place(basket{customer: customer, price: way.price})
				way.happen(s, id)
				s.awaitMail(id, way.rests, way.settled)
				if way.rests.Final() {
					s.closed(id)
				}
				before, run := s.holdings(id, customer), s.currentRun(id)
				for _, point := range s.resetPoints(id) {
					if terminated && s.isRunning(id) {
						require.NoError(t, s.temporal.TerminateWorkflow(t.Context(), id, "", "tried by a test"))
					}
					s.reset(id, run, point)
					if way.forgets { // the order waits again, and whatever comes next finds it cancelled
						require.NoError(t, s.temporal.CancelWorkflow(t.Context(), id, ""))
					}
					s.awaitRest(id, way.rests, way.settled)
					require.Equal(t, before, s.holdings(id, customer), fmt.Sprintf("after a reset to event %d", point))
				}
			})
		}
	}
}

// awaitRest waits until an order that was reset is where it was before, and its mails, which go out beside it, are.
func (s *shop) awaitRest(id string, status order.Status, mail string) {
	s.t.Helper()
	if status.Final() {
		s.closed(id)
	}
	s.awaitMail(id, status, mail)
	s.mailsClosed(id)
}

func (s *shop) isRunning(id string) bool {
	s.t.Helper()
	description, err := s.temporal.DescribeWorkflow(s.t.Context(), id, "")
	require.NoError(s.t, err)
	return description.RawResponse.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// Whoever terminates an order leaves what it held as it is; the worker compensates nothing that it cannot know about.
// A message to it is an error, and a reset goes on.
func TestATerminatedOrderKeepsWhatItHoldsUntilItIsReset(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	customer := "customer-" + uuid.NewString()
	id := s.place(basket{customer: customer})
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
