package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/workflows"
)

func TestOrderFulfillment_Ships(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.after(time.Hour, func() {
		require.Equal(t, order.StatusFulfilling, e.query().Status)
		require.Equal(t, "sent", e.query().Email)
		e.signal(workflows.RecordShipmentMessage, shipment)
	})
	e.run()
	require.Equal(t, []string{"reserve", "start", "email confirmation", "close shipped ", "email shipment"}, e.calls())
	state := e.state()
	require.Equal(t, order.StatusShipped, state.Status)
	require.Equal(t, order.CreditReserved, state.Credit)
	require.Equal(t, "sent", state.Email)
	require.Equal(t, shipment.Carrier, state.Carrier)
	require.Equal(t, shipment.TrackingNumber, state.TrackingNumber)
	require.Equal(t, total, state.Total)
}

func TestOrderFulfillment_CreditRefused(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"INSUFFICIENT_CREDIT", "UNKNOWN_CUSTOMER", "CURRENCY_MISMATCH"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			e.decide = refused(reason)
			e.run()
			require.Equal(t, []string{"reserve", "close rejected " + reason, "email rejection"}, e.calls())
			require.Equal(t, order.StatusRejected, e.state().Status)
			require.Equal(t, order.Reason(reason), e.state().Reason)
			require.Equal(t, order.CreditRefused, e.state().Credit)
		})
	}
}

func TestHold_Approved(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"INSUFFICIENT_CREDIT", "UNKNOWN_CUSTOMER"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			e.decide = held(reason, 1800)
			var approval *updateResult
			e.after(time.Minute, func() {
				require.Equal(t, order.StatusOnHold, e.query().Status)
				require.Equal(t, order.CreditHeld, e.query().Credit)
				approval = e.update(workflows.ApproveCreditMessage, workflows.ApproveCredit{By: "op-1", Note: "good customer"})
			})
			e.after(time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
			e.run()
			require.Equal(t, []string{"reserve", "reserve, approved by op-1", "start", "email confirmation", "close shipped ", "email shipment"}, e.calls())
			require.Equal(t, order.StatusFulfilling, approval.state.Status, "an approval returns when the order proceeds")
			require.Equal(t, order.StatusShipped, e.state().Status)
		})
	}
}

func TestHold_DeclinedOrExpired(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		decide     func(e *orderEnv)
		reason     string
		declinedBy string
	}{
		{"by an operator's signal", func(e *orderEnv) {
			e.signal(workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-1"})
		}, "CREDIT_DECLINED", "op-1"},
		{"by an operator's update", func(e *orderEnv) {
			e.update(workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-1"})
		}, "CREDIT_DECLINED", "op-1"},
		{"by the end of the hold", func(*orderEnv) {}, "HOLD_EXPIRED", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			e.decide = held("INSUFFICIENT_CREDIT", 1800)
			declinedBy := ""
			e.release = func(in activities.ReleaseCreditInput) (activities.CreditDecision, error) {
				declinedBy = in.DeclinedBy
				return activities.CreditDecision{Verdict: credit.VerdictReleased, Reason: in.Reason}, nil
			}
			e.after(time.Minute, func() { test.decide(e) })
			e.run()
			require.Equal(t, []string{"reserve", "release " + test.reason, "close rejected " + test.reason, "email rejection"}, e.calls())
			require.Equal(t, order.StatusRejected, e.state().Status)
			require.Equal(t, order.Reason(test.reason), e.state().Reason)
			require.Equal(t, order.CreditReleased, e.state().Credit)
			require.Equal(t, test.declinedBy, declinedBy)
		})
	}
}

// The run that had approved the order is gone, as after a reset or a restore of Temporal:
// the order may have shipped.
func TestHold_ExpiresAlthoughApprovedInAccount(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.decide = held("INSUFFICIENT_CREDIT", 1800)
	heldOnly := false
	e.release = func(in activities.ReleaseCreditInput) (activities.CreditDecision, error) {
		heldOnly = in.HeldOnly
		return reserved(), nil
	}
	e.row = &activities.Fulfillment{Status: order.StatusShipped, Shipment: &order.Shipment{Carrier: "DHL", TrackingNumber: "T1"}}
	e.run()
	require.True(t, heldOnly)
	require.Equal(t, []string{"reserve", "release HOLD_EXPIRED", "start"}, e.calls())
	require.Equal(t, order.StatusShipped, e.state().Status)
	require.Equal(t, order.CreditReserved, e.state().Credit)
}

// The note stays in the history with the message, and is stored nowhere else.
func TestDeclineCredit_NoteIsNotCarriedOver(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.decide = held("INSUFFICIENT_CREDIT", 1800)
	e.release = func(activities.ReleaseCreditInput) (activities.CreditDecision, error) {
		return activities.CreditDecision{}, errors.New("connection refused")
	}
	e.after(time.Minute, func() {
		e.signal(workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-2", Note: "asked by phone"})
	})
	e.after(2*time.Minute, func() { e.env.SetContinueAsNewSuggested(true) })
	e.run()
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, e.env.GetWorkflowError(), &next)
	carried := next.Input.String()
	require.Contains(t, carried, "op-2")
	require.NotContains(t, carried, "phone")
}

func TestOrderFulfillment_PermanentErrorFailsAfterCompensation(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, errType, reason string }{
		{"the body is gone", "ORDER_GONE", "ORDER_GONE"},
		{"fulfillment fails permanently", "FULFILLMENT_FAILED", "FULFILLMENT_FAILED"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			e.start = func() error { return permanentError(test.errType) }
			e.run()
			require.Equal(t, []string{"reserve", "start", "close cancelled " + test.reason, "release " + test.reason}, e.calls())
			var broken *temporal.ApplicationError
			require.ErrorAs(t, e.env.GetWorkflowError(), &broken)
			require.Equal(t, test.reason, broken.Type())
			var state order.State
			require.NoError(t, broken.Details(&state))
			require.Equal(t, order.StatusCancelled, state.Status)
			require.Equal(t, order.CreditReleased, state.Credit)
		})
	}
}

func TestEmail_PermanentFailureDoesNotAffectOrder(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.send = func(email.Kind) (activities.EmailResult, error) {
		return activities.EmailResult{Status: email.StatusFailed}, nil
	}
	e.after(time.Minute, func() {
		require.Equal(t, "failed", e.query().Email)
		e.signal(workflows.RecordShipmentMessage, shipment)
	})
	e.run()
	require.Equal(t, order.StatusShipped, e.state().Status)
	require.Equal(t, "failed", e.state().Email)
}

func TestEmail_HandedOverWhenOrderCloses(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.send = func(email.Kind) (activities.EmailResult, error) {
		return activities.EmailResult{}, temporal.NewApplicationError("throttled", "MAIL_NOT_SENT")
	}
	e.after(time.Minute, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
	e.run()
	require.Equal(t, order.StatusShipped, e.state().Status)
	require.Equal(t, "pending", e.state().Email)
	require.ElementsMatch(t, []string{"email-order-0001-confirmation", "email-order-0001-shipment"}, e.handedOver)
}

func TestEmail_UnsettledOutcomeIsSettledLater(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	outcome := email.Outcome{OrderID: orderID, Kind: email.KindConfirmation, Attempt: 1, Status: email.StatusSent, MessageID: "m-1"}
	e.send = func(kind email.Kind) (activities.EmailResult, error) {
		if kind == email.KindConfirmation {
			return activities.EmailResult{Status: email.StatusSent, Unsettled: &outcome}, nil
		}
		return activities.EmailResult{Status: email.StatusSent}, nil
	}
	var settled []email.Outcome
	e.env.OnActivity("SettleEmail", mock.Anything, mock.Anything).Return(
		func(_ context.Context, o email.Outcome) (activities.EmailResult, error) {
			settled = append(settled, o)
			return activities.EmailResult{Status: o.Status}, nil
		})
	e.after(time.Minute, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
	e.run()
	require.Equal(t, []email.Outcome{outcome}, settled)
	e.requireCalls([]string{"reserve", "start", "email confirmation", "close shipped ", "email shipment"})
}

func TestOrderEmail_RetriesUntilSent(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	tries := 0
	e.send = func(email.Kind) (activities.EmailResult, error) {
		switch tries++; {
		case tries < 3:
			return activities.EmailResult{}, temporal.NewApplicationError("throttled", "MAIL_NOT_SENT")
		case tries == 3:
			return activities.EmailResult{Status: email.StatusUnknown, RetrySeconds: 300}, nil
		}
		return activities.EmailResult{Status: email.StatusSent}, nil
	}
	e.env.ExecuteWorkflow(workflows.OrderEmailType, activities.SendEmailInput{OrderID: orderID, Kind: email.KindShipment})
	require.NoError(t, e.env.GetWorkflowError())
	var result activities.EmailResult
	require.NoError(t, e.env.GetWorkflowResult(&result))
	require.Equal(t, email.StatusSent, result.Status)
	require.Equal(t, 4, tries)
}

func TestOrderEmail_SendAgainSignal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		when  time.Duration
		tries int
	}{"with the start": {0, 2}, "after the last attempt but one": {time.Minute, 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			tries := 0
			e.send = func(email.Kind) (activities.EmailResult, error) {
				if tries++; tries == 1 {
					return activities.EmailResult{Status: email.StatusUnknown, RetrySeconds: 300}, nil
				}
				return activities.EmailResult{Status: email.StatusUnknown}, nil
			}
			for range 2 {
				e.after(c.when, func() { e.env.SignalWorkflow(workflows.SendAgainSignal, nil) })
			}
			e.env.ExecuteWorkflow(workflows.OrderEmailType, activities.SendEmailInput{OrderID: orderID, Kind: email.KindShipment})
			require.NoError(t, e.env.GetWorkflowError())
			require.Equal(t, c.tries, tries)
		})
	}
}

func TestEmail_UnknownOutcomeIsSentAgainAfterGraceTime(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	sends := 0
	e.send = func(email.Kind) (activities.EmailResult, error) {
		if sends++; sends == 1 {
			return activities.EmailResult{Status: email.StatusUnknown, RetrySeconds: 300}, nil
		}
		return activities.EmailResult{Status: email.StatusSent}, nil
	}
	e.after(time.Minute, func() { require.Equal(t, "unknown", e.query().Email) })
	e.after(10*time.Minute, func() {
		require.Equal(t, "sent", e.query().Email)
		e.signal(workflows.RecordShipmentMessage, shipment)
	})
	e.run()
	require.Equal(t, []string{"reserve", "start", "email confirmation", "email confirmation", "close shipped ", "email shipment"}, e.calls())
}

func TestOrderFulfillment_RowAlreadyFinal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status order.Status
		calls  []string
		credit order.Credit
	}{
		{order.StatusShipped, []string{"reserve", "start"}, order.CreditReserved},
		// An earlier run closed the row and was lost before it released the credit.
		{order.StatusCancelled, []string{"reserve", "start", "release STORED"}, order.CreditReleased},
		{order.StatusRejected, []string{"reserve", "start", "release STORED"}, order.CreditReleased},
	}
	for _, test := range tests {
		t.Run(string(test.status), func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			e.row = &activities.Fulfillment{Status: test.status, Reason: "STORED", Email: email.StatusSent}
			e.run()
			require.Equal(t, test.calls, e.calls())
			require.Equal(t, test.status, e.state().Status)
			require.Equal(t, order.Reason("STORED"), e.state().Reason)
			require.Equal(t, test.credit, e.state().Credit)
			require.Equal(t, "sent", e.state().Email)
		})
	}
}

func TestHold_PaidOrderIsNotDeclined(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.decide = held("INSUFFICIENT_CREDIT", 1800)
	e.release = func(activities.ReleaseCreditInput) (activities.CreditDecision, error) {
		return activities.CreditDecision{Verdict: credit.VerdictReleased, Reason: credit.ReasonPaid, Amount: total}, nil
	}
	var refusal *updateResult
	e.after(time.Minute, func() {
		refusal = e.update(workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-1"})
	})
	e.after(time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
	e.run()
	require.ErrorContains(t, refusal.err, "the order is fulfilling", "the operator who declined learns that it had no effect")
	require.Equal(t, order.StatusShipped, e.state().Status)
}

func TestOrderFulfillment_RowOfAnotherOrder(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.start = func() error { return permanentError(activities.TypeMismatch) }
	e.close = func() error { return permanentError(activities.TypeMismatch) }
	e.run()
	require.Equal(t, []string{"reserve", "start", "close cancelled FULFILLMENT_FAILED", "release FULFILLMENT_FAILED"}, e.calls())
	var broken *temporal.ApplicationError
	require.ErrorAs(t, e.env.GetWorkflowError(), &broken)
	require.Equal(t, "FULFILLMENT_FAILED", broken.Type())
}

func TestOrderFulfillment_ClosedInAccount(t *testing.T) {
	t.Parallel()
	tests := []struct{ reason, status string }{
		{"CANCELLED", "cancelled"}, {"FULFILLMENT_FAILED", "cancelled"}, {"HOLD_EXPIRED", "rejected"}, {"CREDIT_DECLINED", "rejected"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			e.decide = closed(test.reason)
			e.run()
			require.Equal(t, "close "+test.status+" "+test.reason, e.calls()[1])
			require.Equal(t, order.Status(test.status), e.state().Status)
		})
	}
}

func TestOrderFulfillment_PaidNeedsNoCredit(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.decide = closed(credit.ReasonPaid)
	e.after(time.Minute, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
	e.run()
	require.Equal(t, order.StatusShipped, e.state().Status)
	require.Equal(t, order.CreditReleased, e.state().Credit)
}

func closed(reason string) func(activities.ReserveCreditInput) (activities.CreditDecision, error) {
	return func(activities.ReserveCreditInput) (activities.CreditDecision, error) {
		return activities.CreditDecision{Verdict: credit.VerdictReleased, Reason: reason, Amount: total}, nil
	}
}
