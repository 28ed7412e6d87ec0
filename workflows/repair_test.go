package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// repair runs the repair of an order whose workflow was terminated. open reports whether
// the order has an open workflow again.
func (e *orderEnv) repair(open func() (bool, error)) {
	e.t.Helper()
	e.env.OnActivity("OrderIsOpen", mock.Anything, mock.Anything).Return(
		func(context.Context, activities.OrderIsOpenInput) (bool, error) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.logCall("is it open")
			return open()
		})
	e.env.OnWorkflow(workflows.OrderEmailType, mock.Anything, mock.Anything).Return(e.orderEmail).Maybe()
	e.env.ExecuteWorkflow(workflows.OrderRepairType, workflows.RepairInput{Input: input(), Code: "TERMINATED"})
	require.True(e.t, e.env.IsWorkflowCompleted(), "the repair did not complete")
}

func notOpen() (bool, error) { return false, nil }

func TestOrderRepair_Compensates(t *testing.T) {
	t.Parallel()
	cancelled := func(credit order.Credit, mail email.Status) order.State {
		return order.State{
			Status: order.StatusCancelled, Reason: order.ReasonCancelled, Code: "TERMINATED", Credit: credit, Email: string(mail),
		}
	}
	for name, c := range map[string]struct {
		row       *activities.Fulfillment
		confirmed bool
		calls     []string
		state     order.State

		emails map[string]string
	}{
		"a fulfillment and a confirmation that was sent": {
			row: &activities.Fulfillment{Status: order.StatusFulfilling, Email: email.StatusSent}, confirmed: true,
			calls: []string{"is it open", "close cancelled CANCELLED", "release CANCELLED", "email cancellation"},
			state: cancelled(order.CreditReleased, email.StatusSent), emails: map[string]string{"cancellation": "sent"},
		},
		"a fulfillment whose confirmation was not sent": {
			row:   &activities.Fulfillment{Status: order.StatusFulfilling, Email: email.StatusPending},
			calls: []string{"is it open", "close cancelled CANCELLED", "release CANCELLED"},
			state: cancelled(order.CreditReleased, email.StatusSuppressed), emails: map[string]string{"confirmation": "suppressed"},
		},
		"credit alone": {
			calls: []string{"is it open", "close cancelled CANCELLED", "release CANCELLED"},
			state: cancelled(order.CreditReleased, email.StatusNone),
		},
		"credit, though it was closed as rejected": {
			row: &activities.Fulfillment{
				Status: order.StatusRejected, Reason: order.ReasonHoldExpired, Email: email.StatusSent,
			},
			calls: []string{"is it open", "close cancelled CANCELLED", "release HOLD_EXPIRED"},
			state: order.State{
				Status: order.StatusRejected, Reason: order.ReasonHoldExpired, Credit: order.CreditReleased, Email: "sent",
			},
		},
		"the shipment email of an order that has shipped, which keeps its credit": {
			row: &activities.Fulfillment{
				Status: order.StatusShipped, Shipment: &order.Shipment{Carrier: "DHL", TrackingNumber: "1"}, Email: email.StatusPending, EmailDue: email.KindShipment,
			},
			calls: []string{"is it open", "close cancelled CANCELLED", "email shipment"},
			state: order.State{
				Status: order.StatusShipped, Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: "1"}, Credit: order.CreditReserved, Email: "sent",
			}, emails: map[string]string{"shipment": "sent"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			e.row, e.confirmed = c.row, c.confirmed
			e.repair(notOpen)
			require.Equal(t, c.calls, e.calls())
			state := e.state()
			require.NotZero(t, state.UpdatedAt)
			state.UpdatedAt = time.Time{}
			c.state.OrderID, c.state.CustomerID, c.state.Total, c.state.PlacedAt = orderID, customerID, total, input().PlacedAt
			c.state.Emails = c.emails
			require.Equal(t, c.state, state)
			require.Equal(t, c.state, withoutUpdatedAt(e.query()), "the query returns the same state")
		})
	}
}

func TestOrderRepair_HandsOverEmailOfLostRun(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.row = &activities.Fulfillment{
		Status: order.StatusCancelled, Reason: order.ReasonCancelled, Email: email.StatusSent,
		AlsoDue: []email.Kind{email.KindConfirmation}, // claimed when the run was lost: its outcome is unknown
	}
	e.repair(notOpen)
	require.Equal(t, []string{workflows.EmailID(orderID, email.KindConfirmation)}, e.handedOver)
	require.Equal(t, string(email.StatusSent), e.state().Email, "the status is the newest email's")
}

func TestOrderRepair_HandsOverOutcome(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.row, e.confirmed = &activities.Fulfillment{Status: order.StatusFulfilling, Email: email.StatusSent}, true
	outcome, handed := e.loseLedger(email.KindCancellation)
	e.repair(notOpen)
	require.Equal(t, order.StatusCancelled, e.state().Status)
	require.Equal(t, []workflows.EmailInput{{OrderID: orderID, Kind: email.KindCancellation, Outcome: &outcome, Source: input().Source}}, *handed)
}

func TestOrderRepair_HandsOverDespiteFailedRounds(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.row = &activities.Fulfillment{
		Status: order.StatusCancelled, Reason: order.ReasonCancelled, Email: email.StatusSent,
		AlsoDue: []email.Kind{email.KindConfirmation},
	}
	tries := 0
	e.env.OnWorkflow(workflows.OrderEmailType, mock.Anything, mock.Anything).Return(
		func(workflow.Context, workflows.EmailInput) (*activities.EmailResult, error) {
			if tries++; tries <= 60 { // more than one run may fail
				return nil, testsuite.ErrMockStartChildWorkflowFailed
			}
			return &activities.EmailResult{Status: email.StatusUnknown}, nil
		})
	e.repair(notOpen)
	require.Equal(t, order.StatusCancelled, e.state().Status)
	require.Equal(t, 61, tries)
}

func withoutUpdatedAt(state order.State) order.State {
	state.UpdatedAt = time.Time{}
	return state
}

func TestOrderRepair_OpenWorkflow(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.repair(func() (bool, error) { return true, nil })
	var broken *temporal.ApplicationError
	require.ErrorAs(t, e.env.GetWorkflowError(), &broken)
	require.Equal(t, workflows.TypeOrderOpen, broken.Type())
	require.Equal(t, []string{"is it open"}, e.calls())
}

func TestOrderRepair_ChecksAgainInEachRound(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.row = &activities.Fulfillment{Status: order.StatusFulfilling}
	e.close = func() error { return permanentError("UNAVAILABLE") }
	rounds := 0
	e.repair(func() (bool, error) { rounds++; return rounds > 2, nil })
	require.Error(t, e.env.GetWorkflowError())
	require.Equal(t, []string{
		"is it open", "close cancelled CANCELLED", "is it open", "close cancelled CANCELLED", "is it open",
	}, e.calls(), "the order was reset while the repair waited, so nothing is released")
	require.Equal(t, order.StatusFulfilling, e.row.Status)
}

func TestOrderRepair_NativeCancellationIsIgnored(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	failures := 0
	e.release = func(activities.ReleaseCreditInput) (activities.CreditDecision, error) {
		if failures++; failures < 3 {
			return activities.CreditDecision{}, permanentError("UNAVAILABLE")
		}
		return activities.CreditDecision{Verdict: "released", Amount: total}, nil
	}
	e.after(30*time.Second, e.env.CancelWorkflow)
	e.repair(notOpen)
	require.Equal(t, order.CreditReleased, e.state().Credit)
	require.Equal(t, 3, failures)
}

func TestOrderRepair_RowOfAnotherOrder(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.close = func() error { return permanentError(activities.TypeMismatch) }
	e.repair(notOpen)
	require.Error(t, e.env.GetWorkflowError())
	require.Equal(t, []string{"is it open", "close cancelled CANCELLED"}, e.calls())
}

func TestOrderRepair_InvalidInput(t *testing.T) {
	t.Parallel()
	for name, corrupt := range map[string]func(*workflows.RepairInput){
		"no order":         func(in *workflows.RepairInput) { in.OrderID = "" },
		"another's stream": func(in *workflows.RepairInput) { in.Source.Stream = "order-2" },
		"no code":          func(in *workflows.RepairInput) { in.Code = "" },
		"words as a code":  func(in *workflows.RepairInput) { in.Code = "it was terminated" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			in := workflows.RepairInput{Input: input(), Code: "TERMINATED"}
			corrupt(&in)
			e.env.ExecuteWorkflow(workflows.OrderRepairType, in)
			require.ErrorContains(t, e.env.GetWorkflowError(), "INVALID_INPUT")
			require.Empty(t, e.calls())
		})
	}
}
