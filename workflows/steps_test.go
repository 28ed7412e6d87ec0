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
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// shownStuck collects what the search attribute OrderStuck is set to, with "-" for unset.
func (w *world) shownStuck() *[]string {
	shown := &[]string{}
	w.env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(args mock.Arguments) {
		update, ok := args.Get(0).(temporal.SearchAttributes)
		require.True(w.t, ok)
		if len(update.GetUntypedValues()) == 0 { // the SDK shows no attribute that an update unsets
			*shown = append(*shown, "-")
		}
		if step, set := update.GetKeyword(temporal.NewSearchAttributeKeyKeyword(workflows.StuckAttribute)); set {
			*shown = append(*shown, step)
		}
	}).Return(nil).Maybe()
	return shown
}

func blocked() error {
	return temporal.NewApplicationError("no default credit limit for JPY", activities.TypeBlocked)
}

func TestStuck(t *testing.T) {
	t.Parallel()
	t.Run("a step that only an operator can clear shows at once and goes on when it is cleared", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		shown := w.shownStuck()
		tries, cleared := 0, time.Time{}
		w.decide = func(activities.ReserveCreditInput) (activities.CreditDecision, error) {
			if tries++; tries < 5 {
				return activities.CreditDecision{}, blocked()
			}
			cleared = w.env.Now()
			return reserved(), nil
		}
		began := w.env.Now()
		w.after(30*time.Second, func() {
			require.Equal(t, []string{workflows.StepReserveCredit}, *shown, "before the first round could end")
		})
		w.after(48*time.Hour, func() { w.signal(workflows.RecordShipmentMessage, shipment) })
		w.run()
		require.Equal(t, order.StatusShipped, w.state().Status)
		require.Equal(t, []string{workflows.StepReserveCredit, "-"}, *shown)
		require.Less(t, cleared.Sub(began), time.Hour, "it is retried in the background, not once a round")
	})
	t.Run("a short outage shows nothing", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		shown := w.shownStuck()
		began := w.env.Now()
		w.start = func() error {
			if w.env.Now().Sub(began) < 5*time.Minute {
				return errors.New("connection refused")
			}
			return nil
		}
		w.after(48*time.Hour, func() { w.signal(workflows.RecordShipmentMessage, shipment) })
		w.run()
		require.Equal(t, order.StatusShipped, w.state().Status)
		require.Empty(t, *shown)
	})
	t.Run("a long outage shows after one round", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		shown := w.shownStuck()
		began := w.env.Now()
		w.start = func() error {
			if w.env.Now().Sub(began) < 3*time.Hour {
				return errors.New("connection refused")
			}
			return nil
		}
		w.after(5*time.Minute, func() { require.Empty(t, *shown) })
		w.after(20*time.Minute, func() { require.Equal(t, []string{workflows.StepStartFulfillment}, *shown) })
		w.after(48*time.Hour, func() { w.signal(workflows.RecordShipmentMessage, shipment) })
		w.run()
		require.Equal(t, order.StatusShipped, w.state().Status)
		require.Equal(t, []string{workflows.StepStartFulfillment, "-"}, *shown)
	})
	t.Run("a cancellation reaches a stuck step", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		shown := w.shownStuck()
		w.decide = func(activities.ReserveCreditInput) (activities.CreditDecision, error) {
			return activities.CreditDecision{}, blocked()
		}
		w.after(time.Hour, func() { w.signal(workflows.CancelOrderMessage, cancelOrder) })
		w.run()
		require.Equal(t, order.StatusCancelled, w.state().Status)
		require.Equal(t, []string{workflows.StepReserveCredit, "-"}, *shown)
	})
	t.Run("a settlement is shown like an order", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		shown := w.shownStuck()
		tries := 0
		w.env.OnActivity("SettleCredit", mock.Anything, mock.Anything).Return(
			func(context.Context, activities.SettleCreditInput) (activities.Settlement, error) {
				if tries++; tries < 3 {
					return activities.Settlement{}, blocked()
				}
				return activities.Settlement{Status: activities.SettlementSettled}, nil
			})
		w.env.ExecuteWorkflow(workflows.OrderSettlementType, workflows.SettlementInput{
			OrderID: orderID, Amount: total, Source: order.Source{Stream: orderID, Revision: 3, EventID: "e"},
		})
		require.NoError(t, w.env.GetWorkflowError())
		require.Equal(t, []string{workflows.StepReleaseCredit, "-"}, *shown)
	})
}

func TestCompensationDoesNotWaitForTheLedger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	outcome := email.Outcome{OrderID: orderID, Kind: email.KindConfirmation, Attempt: 1, Status: email.StatusSent, MessageID: "m-1"}
	w.send = func(kind email.Kind) (activities.EmailResult, error) {
		if kind == email.KindConfirmation {
			return activities.EmailResult{Status: email.StatusSent, Unsettled: &outcome}, nil
		}
		return activities.EmailResult{Status: email.StatusSent}, nil
	}
	w.env.OnActivity("SettleEmail", mock.Anything, mock.Anything).Return(
		func(context.Context, email.Outcome) (activities.EmailResult, error) {
			return activities.EmailResult{}, errors.New("connection refused")
		})
	var handed []workflows.EmailInput
	w.env.OnWorkflow(workflows.OrderEmailType, mock.Anything, mock.Anything).Return(
		func(_ workflow.Context, in workflows.EmailInput) (*activities.EmailResult, error) {
			handed = append(handed, in)
			return &activities.EmailResult{Status: email.StatusSent}, nil
		})
	began := w.env.Now()
	w.after(10*time.Second, func() { w.signal(workflows.CancelOrderMessage, cancelOrder) })
	w.run()
	require.Equal(t, order.StatusCancelled, w.state().Status)
	require.Less(t, w.env.Now().Sub(began), 10*time.Minute, "the ledger never came back")
	require.Equal(t, []workflows.EmailInput{{OrderID: orderID, Kind: email.KindConfirmation, Outcome: &outcome}}, handed)
}

func TestAnEmailWhoseOutcomeIsKnownIsSettledAndNotSentAgain(t *testing.T) {
	t.Parallel()
	for status, sends := range map[email.Status]int{email.StatusSent: 0, email.StatusNone: 0, email.StatusPending: 1} {
		w := newWorld(t)
		settled, sent := 0, 0
		w.send = func(email.Kind) (activities.EmailResult, error) {
			sent++
			return activities.EmailResult{Status: email.StatusSent}, nil
		}
		w.env.OnActivity("SettleEmail", mock.Anything, mock.Anything).Return(
			func(context.Context, email.Outcome) (activities.EmailResult, error) {
				if settled++; settled < 4 {
					return activities.EmailResult{}, errors.New("connection refused")
				}
				return activities.EmailResult{Status: status}, nil
			})
		w.env.ExecuteWorkflow(workflows.OrderEmailType, workflows.EmailInput{
			OrderID: orderID, Kind: email.KindConfirmation, Outcome: &email.Outcome{OrderID: orderID, Kind: email.KindConfirmation, Attempt: 1},
		})
		require.NoError(t, w.env.GetWorkflowError())
		require.Equal(t, sends, sent, status)
		require.Equal(t, 4, settled)
	}
}
