package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"orderflow/activities"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/workflows"
)

var cancelOrder = workflows.CancelOrder{Reason: "customer-request"}

// Each place where a cancellation can find an order, and what has to be undone from there.
var places = []struct {
	name    string
	arrange func(w *world, cancel func()) // calls cancel at that place
	asked   []string
	credit  order.Credit
	email   string
}{
	{"before anything was asked", func(w *world, cancel func()) { w.after(0, cancel) },
		[]string{"close cancelled CANCELLED", "release CANCELLED"}, order.CreditNone, "none"},
	{"while credit is being reserved", func(w *world, cancel func()) {
		w.decide = func(activities.ReserveCreditInput) (activities.CreditDecision, error) {
			cancel()
			return reserved(), nil
		}
	}, []string{"reserve", "close cancelled CANCELLED", "release CANCELLED"}, order.CreditReleased, "none"},
	{"on hold", func(w *world, cancel func()) {
		w.decide = held("INSUFFICIENT_CREDIT", 1800)
		w.after(time.Minute, cancel)
	}, []string{"reserve", "close cancelled CANCELLED", "release CANCELLED"}, order.CreditReleased, "none"},
	{"while the fulfilment is being started", func(w *world, cancel func()) {
		w.start = func() error { cancel(); return nil }
	}, []string{"reserve", "start", "close cancelled CANCELLED", "release CANCELLED"}, order.CreditReleased, "suppressed"},
	{"while the confirmation is tried again", func(w *world, cancel func()) {
		tries := 0
		w.send = func(email.Kind) (activities.EmailResult, error) {
			if tries++; tries == 2 {
				cancel()
			}
			return activities.EmailResult{}, temporal.NewApplicationError("throttled", "MAIL_NOT_SENT")
		}
	}, []string{"reserve", "start", "mail confirmation", "close cancelled CANCELLED", "release CANCELLED"}, order.CreditReleased, "suppressed"},
	{"while it waits for shipment", func(w *world, cancel func()) { w.after(time.Hour, cancel) },
		[]string{"reserve", "start", "mail confirmation", "close cancelled CANCELLED", "release CANCELLED", "mail cancellation"},
		order.CreditReleased, "sent"},
}

func TestCancelOrderUndoesWhatWasDone(t *testing.T) {
	t.Parallel()
	for _, place := range places {
		for _, how := range []string{"signal", "update"} {
			t.Run(place.name+" by "+how, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				released(w)
				var update *answer
				place.arrange(w, func() {
					if how == "signal" {
						w.signal(workflows.CancelOrderMessage, cancelOrder)
					} else {
						update = w.update(workflows.CancelOrderMessage, cancelOrder)
					}
				})
				w.run()
				w.requireAsked(place.asked)
				state := w.state()
				require.Equal(t, order.StatusCancelled, state.Status)
				require.Equal(t, order.ReasonCancelled, state.Reason)
				require.Equal(t, "customer-request", state.Code)
				require.Equal(t, place.credit, state.Credit)
				require.Equal(t, place.email, state.Email)
				if how == "update" {
					require.NoError(t, errors.Join(update.rejected, update.err))
					require.Equal(t, order.StatusCancelled, update.state.Status, "the update answers when all is undone")
				}
			})
		}
	}
}

func TestANativeCancellationUndoesTheSameAndClosesAsCanceled(t *testing.T) {
	t.Parallel()
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			released(w)
			place.arrange(w, w.env.CancelWorkflow)
			w.run()
			w.requireAsked(place.asked)
			var canceled *temporal.CanceledError
			require.ErrorAs(t, w.env.GetWorkflowError(), &canceled)
			var state order.State
			require.NoError(t, canceled.Details(&state))
			require.Equal(t, order.StatusCancelled, state.Status)
			require.Equal(t, order.ReasonCancelled, state.Reason)
			require.Empty(t, state.Code)
			require.Equal(t, place.credit, state.Credit)
		})
	}
}

func TestCancellingTwiceIsCancellingOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	released(w)
	var second *answer
	w.after(time.Hour, func() {
		w.signal(workflows.CancelOrderMessage, cancelOrder)
		second = w.update(workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "again"})
	})
	w.run()
	require.NoError(t, errors.Join(second.rejected, second.err))
	require.Equal(t, order.StatusCancelled, second.state.Status)
	require.Equal(t, "customer-request", w.state().Code)
	w.requireAsked([]string{"reserve", "start", "mail confirmation", "close cancelled CANCELLED", "release CANCELLED", "mail cancellation"})
}

func TestAShipmentBeatsACancellation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		send func(w *world)
	}{
		{"that comes after it", func(w *world) {
			w.signal(workflows.RecordShipmentMessage, shipment)
			w.signal(workflows.CancelOrderMessage, cancelOrder)
		}},
		{"of the native kind", func(w *world) {
			w.signal(workflows.RecordShipmentMessage, shipment)
			w.env.CancelWorkflow()
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.after(time.Hour, func() { test.send(w) })
			w.run()
			require.Equal(t, order.StatusShipped, w.state().Status)
			w.requireAsked([]string{"reserve", "start", "mail confirmation", "close shipped ", "mail shipment"})
		})
	}
}

func TestACompensationThatCannotProceedSaysSoAndGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tries := 0
	w.release = func(activities.ReleaseCreditInput) (activities.CreditDecision, error) {
		if tries++; tries < 3 {
			return activities.CreditDecision{}, permanently("FULFILLMENT_FAILED")
		}
		return activities.CreditDecision{Verdict: credit.VerdictReleased, Amount: total}, nil
	}
	w.after(time.Hour, func() { w.signal(workflows.CancelOrderMessage, cancelOrder) })
	w.after(time.Hour+30*time.Second, func() { require.Equal(t, order.StatusCancelling, w.query().Status) })
	w.run()
	require.Equal(t, 3, tries)
	require.Equal(t, order.StatusCancelled, w.state().Status)
	require.Equal(t, order.CreditReleased, w.state().Credit)
}

func TestAShipmentThatCannotBeWrittenIsNeverUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tries := 0
	var cancelled *answer
	w.close = func() error {
		if tries++; tries < 3 {
			return permanently("FULFILLMENT_FAILED")
		}
		return nil
	}
	w.after(time.Hour, func() { w.signal(workflows.RecordShipmentMessage, shipment) })
	w.after(time.Hour+30*time.Second, func() {
		require.Equal(t, order.StatusFulfilling, w.query().Status)
		cancelled = w.update(workflows.CancelOrderMessage, cancelOrder)
	})
	w.run()
	require.ErrorContains(t, cancelled.rejected, "the order is shipping")
	require.Equal(t, 3, tries)
	require.Equal(t, order.StatusShipped, w.state().Status)
	require.Equal(t, order.CreditReserved, w.state().Credit)
}

func TestUndoingStopsAtAnOrderThatWasShippedBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.decide = held("INSUFFICIENT_CREDIT", 1800)
	w.row = &activities.Fulfillment{Status: order.StatusShipped, Carrier: "DHL", TrackingNumber: "1"}
	w.after(time.Minute, func() { w.signal(workflows.CancelOrderMessage, cancelOrder) })
	w.run()
	w.requireAsked([]string{"reserve", "close cancelled CANCELLED"})
	require.Equal(t, order.StatusShipped, w.state().Status)
}

// released lets the account give back only what it reserved.
func released(w *world) {
	w.release = func(activities.ReleaseCreditInput) (activities.CreditDecision, error) {
		decision := activities.CreditDecision{Verdict: credit.VerdictReleased, Amount: order.Money{Currency: "USD"}}
		if w.holdsCredit {
			decision.Amount = total
		}
		return decision, nil
	}
}
