package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// repair runs the repair of an order whose workflow was terminated. open answers whether it has one again.
func (w *world) repair(open func() (bool, error)) {
	w.t.Helper()
	w.env.OnActivity("OrderIsOpen", mock.Anything, mock.Anything).Return(
		func(context.Context, activities.OrderIsOpenInput) (bool, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.note("is it open")
			return open()
		})
	w.env.OnWorkflow(workflows.OrderEmailType, mock.Anything, mock.Anything).Return(w.orderEmail).Maybe()
	w.env.ExecuteWorkflow(workflows.OrderRepairType, workflows.RepairInput{Input: input(), Code: "TERMINATED"})
	require.True(w.t, w.env.IsWorkflowCompleted(), "the repair did not come to an end")
}

func notOpen() (bool, error) { return false, nil }

func TestARepairUndoesWhatATerminatedOrderHolds(t *testing.T) {
	t.Parallel()
	cancelled := func(credit order.Credit, mail email.Status) order.State {
		return order.State{
			Status: order.StatusCancelled, Reason: order.ReasonCancelled, Code: "TERMINATED", Credit: credit, Email: string(mail),
		}
	}
	for name, c := range map[string]struct {
		row   *activities.Fulfillment
		told  bool
		asked []string
		state order.State

		emails map[string]string
	}{
		"a fulfilment and a confirmation that went out": {
			row: &activities.Fulfillment{Status: order.StatusFulfilling, Email: email.StatusSent}, told: true,
			asked: []string{"is it open", "close cancelled CANCELLED", "release CANCELLED", "mail cancellation"},
			state: cancelled(order.CreditReleased, email.StatusSent), emails: map[string]string{"cancellation": "sent"},
		},
		"a fulfilment whose customer was told nothing": {
			row:   &activities.Fulfillment{Status: order.StatusFulfilling, Email: email.StatusPending},
			asked: []string{"is it open", "close cancelled CANCELLED", "release CANCELLED"},
			state: cancelled(order.CreditReleased, email.StatusSuppressed), emails: map[string]string{"confirmation": "suppressed"},
		},
		"credit alone": {
			asked: []string{"is it open", "close cancelled CANCELLED", "release CANCELLED"},
			state: cancelled(order.CreditReleased, email.StatusNone),
		},
		"credit, though it was closed as rejected": {
			row: &activities.Fulfillment{
				Status: order.StatusRejected, Reason: order.ReasonHoldExpired, Email: email.StatusSent,
			},
			asked: []string{"is it open", "close cancelled CANCELLED", "release HOLD_EXPIRED"},
			state: order.State{
				Status: order.StatusRejected, Reason: order.ReasonHoldExpired, Credit: order.CreditReleased, Email: "sent",
			},
		},
		"a mail that says it has shipped, which keeps its credit": {
			row: &activities.Fulfillment{
				Status: order.StatusShipped, Carrier: "DHL", TrackingNumber: "1", Email: email.StatusPending, MailDue: email.KindShipment,
			},
			asked: []string{"is it open", "close cancelled CANCELLED", "mail shipment"},
			state: order.State{
				Status: order.StatusShipped, Carrier: "DHL", TrackingNumber: "1", Credit: order.CreditReserved, Email: "sent",
			}, emails: map[string]string{"shipment": "sent"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.row, w.told = c.row, c.told
			w.repair(notOpen)
			require.Equal(t, c.asked, w.calls())
			state := w.state()
			require.NotZero(t, state.UpdatedAt)
			state.UpdatedAt = time.Time{}
			c.state.OrderID, c.state.CustomerID, c.state.Total, c.state.PlacedAt = orderID, customerID, total, input().PlacedAt
			c.state.Emails = c.emails
			require.Equal(t, c.state, state)
			require.Equal(t, c.state, stripped(w.query()), "the query says the same")
		})
	}
}

func TestARepairHandsOverAMailThatTheLostRunHadBegun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.row = &activities.Fulfillment{
		Status: order.StatusCancelled, Reason: order.ReasonCancelled, Email: email.StatusSent,
		AlsoDue: []email.Kind{email.KindConfirmation}, // claimed when the run was lost: nobody knows what became of it
	}
	w.repair(notOpen)
	require.Equal(t, []string{workflows.EmailID(orderID, email.KindConfirmation)}, w.handedOver)
	require.Equal(t, string(email.StatusSent), w.state().Email, "the newest mail's")
}

func stripped(state order.State) order.State {
	state.UpdatedAt = time.Time{}
	return state
}

func TestARepairLeavesAnOrderAloneWhoseWorkflowIsOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.repair(func() (bool, error) { return true, nil })
	var broken *temporal.ApplicationError
	require.ErrorAs(t, w.env.GetWorkflowError(), &broken)
	require.Equal(t, workflows.TypeOrderOpen, broken.Type())
	require.Equal(t, []string{"is it open"}, w.calls())
}

func TestARepairThatCannotProceedLooksAgainBeforeItGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.row = &activities.Fulfillment{Status: order.StatusFulfilling}
	w.close = func() error { return permanently("UNAVAILABLE") }
	rounds := 0
	w.repair(func() (bool, error) { rounds++; return rounds > 2, nil })
	require.Error(t, w.env.GetWorkflowError())
	require.Equal(t, []string{
		"is it open", "close cancelled CANCELLED", "is it open", "close cancelled CANCELLED", "is it open",
	}, w.calls(), "it was reset while the repair waited, and nothing is released behind its back")
	require.Equal(t, order.StatusFulfilling, w.row.Status)
}

func TestACancelledRepairGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	failures := 0
	w.release = func(activities.ReleaseCreditInput) (activities.CreditDecision, error) {
		if failures++; failures < 3 {
			return activities.CreditDecision{}, permanently("UNAVAILABLE")
		}
		return activities.CreditDecision{Verdict: "released", Amount: total}, nil
	}
	w.after(30*time.Second, w.env.CancelWorkflow)
	w.repair(notOpen)
	require.Equal(t, order.CreditReleased, w.state().Credit)
	require.Equal(t, 3, failures)
}

func TestARepairOfAnotherOrdersRowTouchesNothingAndFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.close = func() error { return permanently(activities.TypeMismatch) }
	w.repair(notOpen)
	require.Error(t, w.env.GetWorkflowError())
	require.Equal(t, []string{"is it open", "close cancelled CANCELLED"}, w.calls())
}

func TestARepairRefusesAnInputNobodyCouldHaveMeant(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*workflows.RepairInput){
		"no order":         func(in *workflows.RepairInput) { in.OrderID = "" },
		"another's stream": func(in *workflows.RepairInput) { in.Source.Stream = "order-2" },
		"no code":          func(in *workflows.RepairInput) { in.Code = "" },
		"words as a code":  func(in *workflows.RepairInput) { in.Code = "it was terminated" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			in := workflows.RepairInput{Input: input(), Code: "TERMINATED"}
			spoil(&in)
			w.env.ExecuteWorkflow(workflows.OrderRepairType, in)
			require.ErrorContains(t, w.env.GetWorkflowError(), "INVALID_INPUT")
			require.Empty(t, w.calls())
		})
	}
}
