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

func TestAnOrderShips(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.after(time.Hour, func() {
		require.Equal(t, order.StatusFulfilling, w.query().Status)
		require.Equal(t, "sent", w.query().Email)
		w.signal(workflows.RecordShipmentMessage, shipment)
	})
	w.run()
	require.Equal(t, []string{"reserve", "start", "mail confirmation", "close shipped ", "mail shipment"}, w.calls())
	state := w.state()
	require.Equal(t, order.StatusShipped, state.Status)
	require.Equal(t, order.CreditReserved, state.Credit)
	require.Equal(t, "sent", state.Email)
	require.Equal(t, shipment.Carrier, state.Carrier)
	require.Equal(t, shipment.TrackingNumber, state.TrackingNumber)
	require.Equal(t, total, state.Total)
}

func TestCreditRefusedRejectsTheOrder(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"INSUFFICIENT_CREDIT", "UNKNOWN_CUSTOMER", "CURRENCY_MISMATCH"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.decide = refused(reason)
			w.run()
			require.Equal(t, []string{"reserve", "close rejected " + reason, "mail rejection"}, w.calls())
			require.Equal(t, order.StatusRejected, w.state().Status)
			require.Equal(t, order.Reason(reason), w.state().Reason)
			require.Equal(t, order.CreditRefused, w.state().Credit)
		})
	}
}

func TestAHeldOrderIsApproved(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"INSUFFICIENT_CREDIT", "UNKNOWN_CUSTOMER"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.decide = held(reason, 1800)
			var approval *answer
			w.after(time.Minute, func() {
				require.Equal(t, order.StatusOnHold, w.query().Status)
				require.Equal(t, order.CreditHeld, w.query().Credit)
				approval = w.update(workflows.ApproveCreditMessage, workflows.ApproveCredit{By: "op-1", Note: "good customer"})
			})
			w.after(time.Hour, func() { w.signal(workflows.RecordShipmentMessage, shipment) })
			w.run()
			require.Equal(t, []string{"reserve", "reserve, approved by op-1", "start", "mail confirmation", "close shipped ", "mail shipment"}, w.calls())
			require.Equal(t, order.StatusFulfilling, approval.state.Status, "an approval answers when the order goes on")
			require.Equal(t, order.StatusShipped, w.state().Status)
		})
	}
}

func TestAHeldOrderIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		decide     func(w *world)
		reason     string
		declinedBy string
	}{
		{"by an operator's signal", func(w *world) {
			w.signal(workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-1"})
		}, "CREDIT_DECLINED", "op-1"},
		{"by an operator's update", func(w *world) {
			w.update(workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-1"})
		}, "CREDIT_DECLINED", "op-1"},
		{"by the end of the hold", func(*world) {}, "HOLD_EXPIRED", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.decide = held("INSUFFICIENT_CREDIT", 1800)
			declinedBy := ""
			w.release = func(in activities.ReleaseCreditInput) (activities.CreditDecision, error) {
				declinedBy = in.DeclinedBy
				return activities.CreditDecision{Verdict: credit.VerdictReleased, Reason: in.Reason}, nil
			}
			w.after(time.Minute, func() { test.decide(w) })
			w.run()
			require.Equal(t, []string{"reserve", "release " + test.reason, "close rejected " + test.reason, "mail rejection"}, w.calls())
			require.Equal(t, order.StatusRejected, w.state().Status)
			require.Equal(t, order.Reason(test.reason), w.state().Reason)
			require.Equal(t, order.CreditReleased, w.state().Credit)
			require.Equal(t, test.declinedBy, declinedBy)
		})
	}
}

// The note stays in the history with the message, and goes nowhere else.
func TestDecisionNoteIsIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.decide = held("INSUFFICIENT_CREDIT", 1800)
	w.release = func(activities.ReleaseCreditInput) (activities.CreditDecision, error) {
		return activities.CreditDecision{}, errors.New("connection refused")
	}
	w.after(time.Minute, func() {
		w.signal(workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-2", Note: "asked by phone"})
	})
	w.after(2*time.Minute, func() { w.env.SetContinueAsNewSuggested(true) })
	w.run()
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, w.env.GetWorkflowError(), &next)
	carried := next.Input.String()
	require.Contains(t, carried, "op-2")
	require.NotContains(t, carried, "phone")
}

func TestSomethingBrokenFailsTheWorkflowAfterUndoing(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, errType, reason string }{
		{"the body is gone", "ORDER_GONE", "ORDER_GONE"},
		{"fulfilment fails for good", "FULFILLMENT_FAILED", "FULFILLMENT_FAILED"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.start = func() error { return permanently(test.errType) }
			w.run()
			require.Equal(t, []string{"reserve", "start", "close cancelled " + test.reason, "release " + test.reason}, w.calls())
			var broken *temporal.ApplicationError
			require.ErrorAs(t, w.env.GetWorkflowError(), &broken)
			require.Equal(t, test.reason, broken.Type())
			var state order.State
			require.NoError(t, broken.Details(&state))
			require.Equal(t, order.StatusCancelled, state.Status)
			require.Equal(t, order.CreditReleased, state.Credit)
		})
	}
}

func TestAMailRefusedForGoodDoesNotTouchTheOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send = func(email.Kind) (activities.EmailResult, error) {
		return activities.EmailResult{Status: email.StatusFailed}, nil
	}
	w.after(time.Minute, func() {
		require.Equal(t, "failed", w.query().Email)
		w.signal(workflows.RecordShipmentMessage, shipment)
	})
	w.run()
	require.Equal(t, order.StatusShipped, w.state().Status)
	require.Equal(t, "failed", w.state().Email)
}

func TestAMailThatCannotBeSentGoesOnWithoutTheOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send = func(email.Kind) (activities.EmailResult, error) {
		return activities.EmailResult{}, temporal.NewApplicationError("throttled", "MAIL_NOT_SENT")
	}
	w.after(time.Minute, func() { w.signal(workflows.RecordShipmentMessage, shipment) })
	w.run()
	require.Equal(t, order.StatusShipped, w.state().Status)
	require.Equal(t, "pending", w.state().Email)
	require.ElementsMatch(t, []string{"email-order-0001-confirmation", "email-order-0001-shipment"}, w.handedOver)
}

func TestWhatTheLedgerDidNotTakeDownIsToldToItLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	outcome := email.Outcome{OrderID: orderID, Kind: email.KindConfirmation, Attempt: 1, Status: email.StatusSent, MessageID: "m-1"}
	w.send = func(kind email.Kind) (activities.EmailResult, error) {
		if kind == email.KindConfirmation {
			return activities.EmailResult{Status: email.StatusSent, Unsettled: &outcome}, nil
		}
		return activities.EmailResult{Status: email.StatusSent}, nil
	}
	var settled []email.Outcome
	w.env.OnActivity("SettleEmail", mock.Anything, mock.Anything).Return(
		func(_ context.Context, o email.Outcome) (activities.EmailResult, error) {
			settled = append(settled, o)
			return activities.EmailResult{Status: o.Status}, nil
		})
	w.after(time.Minute, func() { w.signal(workflows.RecordShipmentMessage, shipment) })
	w.run()
	require.Equal(t, []email.Outcome{outcome}, settled)
	w.requireAsked([]string{"reserve", "start", "mail confirmation", "close shipped ", "mail shipment"})
}

func TestAMailOnItsOwnIsSentForAsLongAsItTakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tries := 0
	w.send = func(email.Kind) (activities.EmailResult, error) {
		switch tries++; {
		case tries < 3:
			return activities.EmailResult{}, temporal.NewApplicationError("throttled", "MAIL_NOT_SENT")
		case tries == 3:
			return activities.EmailResult{Status: email.StatusUnknown, RetrySeconds: 300}, nil
		}
		return activities.EmailResult{Status: email.StatusSent}, nil
	}
	w.env.ExecuteWorkflow(workflows.OrderEmailType, activities.SendEmailInput{OrderID: orderID, Kind: email.KindShipment})
	require.NoError(t, w.env.GetWorkflowError())
	var result activities.EmailResult
	require.NoError(t, w.env.GetWorkflowResult(&result))
	require.Equal(t, email.StatusSent, result.Status)
	require.Equal(t, 4, tries)
}

func TestAMailThatIsToBeSentAgainIsAskedForOnceMoreByARunThatIsAboutToEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		when  time.Duration
		tries int
	}{"with the start": {0, 2}, "after the last attempt but one": {time.Minute, 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tries := 0
			w.send = func(email.Kind) (activities.EmailResult, error) {
				if tries++; tries == 1 {
					return activities.EmailResult{Status: email.StatusUnknown, RetrySeconds: 300}, nil
				}
				return activities.EmailResult{Status: email.StatusUnknown}, nil
			}
			for range 2 {
				w.after(c.when, func() { w.env.SignalWorkflow(workflows.SendAgainSignal, nil) })
			}
			w.env.ExecuteWorkflow(workflows.OrderEmailType, activities.SendEmailInput{OrderID: orderID, Kind: email.KindShipment})
			require.NoError(t, w.env.GetWorkflowError())
			require.Equal(t, c.tries, tries)
		})
	}
}

func TestAnUnknownMailIsSentOnceMoreAfterTheGraceTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sends := 0
	w.send = func(email.Kind) (activities.EmailResult, error) {
		if sends++; sends == 1 {
			return activities.EmailResult{Status: email.StatusUnknown, RetrySeconds: 300}, nil
		}
		return activities.EmailResult{Status: email.StatusSent}, nil
	}
	w.after(time.Minute, func() { require.Equal(t, "unknown", w.query().Email) })
	w.after(10*time.Minute, func() {
		require.Equal(t, "sent", w.query().Email)
		w.signal(workflows.RecordShipmentMessage, shipment)
	})
	w.run()
	require.Equal(t, []string{"reserve", "start", "mail confirmation", "mail confirmation", "close shipped ", "mail shipment"}, w.calls())
}

func TestAReplayedOrderEndsWithWhatIsStored(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status order.Status
		asked  []string
		credit order.Credit
	}{
		{order.StatusShipped, []string{"reserve", "start"}, order.CreditReserved},
		// An earlier run closed the row and was lost before it gave the credit back.
		{order.StatusCancelled, []string{"reserve", "start", "release STORED"}, order.CreditReleased},
		{order.StatusRejected, []string{"reserve", "start", "release STORED"}, order.CreditReleased},
	}
	for _, test := range tests {
		t.Run(string(test.status), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.row = &activities.Fulfillment{Status: test.status, Reason: "STORED", Email: email.StatusSent}
			w.run()
			require.Equal(t, test.asked, w.calls())
			require.Equal(t, test.status, w.state().Status)
			require.Equal(t, order.Reason("STORED"), w.state().Reason)
			require.Equal(t, test.credit, w.state().Credit)
			require.Equal(t, "sent", w.state().Email)
		})
	}
}

func TestAPaidOrderOnHoldIsNotRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.decide = held("INSUFFICIENT_CREDIT", 1800)
	w.release = func(activities.ReleaseCreditInput) (activities.CreditDecision, error) {
		return activities.CreditDecision{Verdict: credit.VerdictReleased, Reason: credit.ReasonPaid, Amount: total}, nil
	}
	var refusal *answer
	w.after(time.Minute, func() {
		refusal = w.update(workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-1"})
	})
	w.after(time.Hour, func() { w.signal(workflows.RecordShipmentMessage, shipment) })
	w.run()
	require.ErrorContains(t, refusal.err, "the order is fulfilling", "whoever refused is told that it had no effect")
	require.Equal(t, order.StatusShipped, w.state().Status)
}

func TestARowOfAnotherOrderIsNotTouchedAndFailsTheWorkflow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start = func() error { return permanently(activities.TypeMismatch) }
	w.close = func() error { return permanently(activities.TypeMismatch) }
	w.run()
	require.Equal(t, []string{"reserve", "start", "close cancelled FULFILLMENT_FAILED", "release FULFILLMENT_FAILED"}, w.calls())
	var broken *temporal.ApplicationError
	require.ErrorAs(t, w.env.GetWorkflowError(), &broken)
	require.Equal(t, "FULFILLMENT_FAILED", broken.Type())
}

func TestAnOrderClosedInTheAccountStaysClosed(t *testing.T) {
	t.Parallel()
	tests := []struct{ reason, status string }{
		{"CANCELLED", "cancelled"}, {"FULFILLMENT_FAILED", "cancelled"}, {"HOLD_EXPIRED", "rejected"}, {"CREDIT_DECLINED", "rejected"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.decide = closed(test.reason)
			w.run()
			require.Equal(t, "close "+test.status+" "+test.reason, w.calls()[1])
			require.Equal(t, order.Status(test.status), w.state().Status)
		})
	}
}

func TestAPaidOrderGoesOnWithoutCredit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.decide = closed(credit.ReasonPaid)
	w.after(time.Minute, func() { w.signal(workflows.RecordShipmentMessage, shipment) })
	w.run()
	require.Equal(t, order.StatusShipped, w.state().Status)
	require.Equal(t, order.CreditReleased, w.state().Credit)
}

func closed(reason string) func(activities.ReserveCreditInput) (activities.CreditDecision, error) {
	return func(activities.ReserveCreditInput) (activities.CreditDecision, error) {
		return activities.CreditDecision{Verdict: credit.VerdictReleased, Reason: reason, Amount: total}, nil
	}
}
