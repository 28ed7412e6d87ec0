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

// recordStuckSteps records the values that the search attribute OrderStuck is set to,
// with "-" for unset.
func (e *orderEnv) recordStuckSteps() *[]string {
	shown := &[]string{}
	e.env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(args mock.Arguments) {
		update, ok := args.Get(0).(temporal.SearchAttributes)
		require.True(e.t, ok)
		if len(update.GetUntypedValues()) == 0 { // the SDK omits an attribute that an update unsets
			*shown = append(*shown, "-")
		}
		if step, set := update.GetKeyword(temporal.NewSearchAttributeKeyKeyword(workflows.StuckAttribute)); set {
			*shown = append(*shown, step)
		}
	}).Return(nil).Maybe()
	return shown
}

func blockedError() error {
	return temporal.NewApplicationError("no default credit limit for JPY", activities.TypeBlocked)
}

func TestStuckStep(t *testing.T) {
	t.Parallel()
	t.Run("a step that only an operator can clear is shown at once and proceeds when it is cleared", func(t *testing.T) {
		t.Parallel()
		e := newOrderEnv(t)
		shown := e.recordStuckSteps()
		tries, cleared := 0, time.Time{}
		e.decide = func(activities.ReserveCreditInput) (activities.CreditDecision, error) {
			if tries++; tries < 5 {
				return activities.CreditDecision{}, blockedError()
			}
			cleared = e.env.Now()
			return reserved(), nil
		}
		began := e.env.Now()
		e.after(30*time.Second, func() {
			require.Equal(t, []string{workflows.StepReserveCredit}, *shown, "shown before the first round could end")
		})
		e.after(48*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
		e.run()
		require.Equal(t, order.StatusShipped, e.state().Status)
		require.Equal(t, []string{workflows.StepReserveCredit, "-"}, *shown)
		require.Less(t, cleared.Sub(began), time.Hour, "it is retried in the background, not once a round")
	})
	t.Run("a short outage is not shown", func(t *testing.T) {
		t.Parallel()
		e := newOrderEnv(t)
		shown := e.recordStuckSteps()
		began := e.env.Now()
		e.start = func() error {
			if e.env.Now().Sub(began) < 5*time.Minute {
				return errors.New("connection refused")
			}
			return nil
		}
		e.after(48*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
		e.run()
		require.Equal(t, order.StatusShipped, e.state().Status)
		require.Empty(t, *shown)
	})
	t.Run("a long outage is shown after one round", func(t *testing.T) {
		t.Parallel()
		e := newOrderEnv(t)
		shown := e.recordStuckSteps()
		began := e.env.Now()
		e.start = func() error {
			if e.env.Now().Sub(began) < 3*time.Hour {
				return errors.New("connection refused")
			}
			return nil
		}
		e.after(5*time.Minute, func() { require.Empty(t, *shown) })
		e.after(20*time.Minute, func() { require.Equal(t, []string{workflows.StepStartFulfillment}, *shown) })
		e.after(48*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
		e.run()
		require.Equal(t, order.StatusShipped, e.state().Status)
		require.Equal(t, []string{workflows.StepStartFulfillment, "-"}, *shown)
	})
	t.Run("a cancellation reaches a stuck step", func(t *testing.T) {
		t.Parallel()
		e := newOrderEnv(t)
		shown := e.recordStuckSteps()
		e.decide = func(activities.ReserveCreditInput) (activities.CreditDecision, error) {
			return activities.CreditDecision{}, blockedError()
		}
		e.after(time.Hour, func() { e.signal(workflows.CancelOrderMessage, cancelOrder) })
		e.run()
		require.Equal(t, order.StatusCancelled, e.state().Status)
		require.Equal(t, []string{workflows.StepReserveCredit, "-"}, *shown)
	})
	t.Run("a settlement is shown like an order", func(t *testing.T) {
		t.Parallel()
		e := newOrderEnv(t)
		shown := e.recordStuckSteps()
		tries := 0
		e.env.OnActivity("SettleCredit", mock.Anything, mock.Anything).Return(
			func(context.Context, activities.SettleCreditInput) (activities.Settlement, error) {
				if tries++; tries < 3 {
					return activities.Settlement{}, blockedError()
				}
				return activities.Settlement{Status: activities.SettlementSettled}, nil
			})
		e.env.ExecuteWorkflow(workflows.OrderSettlementType, workflows.SettlementInput{
			OrderID: orderID, Amount: total, Source: order.Source{Stream: orderID, Revision: 3, EventID: "e"},
		})
		require.NoError(t, e.env.GetWorkflowError())
		require.Equal(t, []string{workflows.StepReleaseCredit, "-"}, *shown)
	})
}

// loseLedger makes the ledger unable to record that an email of this kind was sent, and
// returns the outcome to be handed over and those that were.
func (e *orderEnv) loseLedger(kind email.Kind) (email.Outcome, *[]workflows.EmailInput) {
	outcome := email.Outcome{OrderID: orderID, Kind: kind, Attempt: 1, Status: email.StatusSent, MessageID: "m-1"}
	e.send = func(sent email.Kind) (activities.EmailResult, error) {
		if sent == kind {
			return activities.EmailResult{Status: email.StatusSent, Unsettled: &outcome}, nil
		}
		return activities.EmailResult{Status: email.StatusSent}, nil
	}
	e.env.OnActivity("SettleEmail", mock.Anything, mock.Anything).Return(
		func(context.Context, email.Outcome) (activities.EmailResult, error) {
			return activities.EmailResult{}, errors.New("connection refused")
		})
	handed := &[]workflows.EmailInput{}
	e.env.OnWorkflow(workflows.OrderEmailType, mock.Anything, mock.Anything).Return(
		func(_ workflow.Context, in workflows.EmailInput) (*activities.EmailResult, error) {
			*handed = append(*handed, in)
			return &activities.EmailResult{Status: email.StatusSent}, nil
		})
	return outcome, handed
}

func TestCompensation_DoesNotWaitForLedger(t *testing.T) {
	t.Parallel()
	for _, kind := range []email.Kind{email.KindConfirmation, email.KindCancellation} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			outcome, handed := e.loseLedger(kind)
			began := e.env.Now()
			e.after(10*time.Second, func() { e.signal(workflows.CancelOrderMessage, cancelOrder) })
			e.run()
			require.Equal(t, order.StatusCancelled, e.state().Status)
			require.Less(t, e.env.Now().Sub(began), 10*time.Minute, "the ledger never recovered")
			require.Equal(t, []workflows.EmailInput{{OrderID: orderID, Kind: kind, Outcome: &outcome, Source: input().Source}}, *handed)
		})
	}
}

func TestOrderEmail_KnownOutcomeIsSettledNotSentAgain(t *testing.T) {
	t.Parallel()
	for status, sends := range map[email.Status]int{email.StatusSent: 0, email.StatusNone: 0, email.StatusPending: 1} {
		e := newOrderEnv(t)
		settled, sent := 0, 0
		e.send = func(email.Kind) (activities.EmailResult, error) {
			sent++
			return activities.EmailResult{Status: email.StatusSent}, nil
		}
		e.env.OnActivity("SettleEmail", mock.Anything, mock.Anything).Return(
			func(context.Context, email.Outcome) (activities.EmailResult, error) {
				if settled++; settled < 4 {
					return activities.EmailResult{}, errors.New("connection refused")
				}
				return activities.EmailResult{Status: status}, nil
			})
		e.env.ExecuteWorkflow(workflows.OrderEmailType, workflows.EmailInput{
			OrderID: orderID, Kind: email.KindConfirmation, Outcome: &email.Outcome{OrderID: orderID, Kind: email.KindConfirmation, Attempt: 1},
		})
		require.NoError(t, e.env.GetWorkflowError())
		require.Equal(t, sends, sent, status)
		require.Equal(t, 4, settled)
	}
}
