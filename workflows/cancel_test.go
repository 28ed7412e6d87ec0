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

// cancelPoints are the points at which a cancellation can reach an order, with what has
// to be compensated from there.
var cancelPoints = []struct {
	name    string
	arrange func(e *orderEnv, cancel func()) // calls cancel at that point
	calls   []string
	credit  order.Credit
	email   string
}{
	{"before the first activity", func(e *orderEnv, cancel func()) { e.after(0, cancel) },
		[]string{"close cancelled CANCELLED", "release CANCELLED"}, order.CreditNone, "none"},
	{"while credit is being reserved", func(e *orderEnv, cancel func()) {
		e.decide = func(activities.ReserveCreditInput) (activities.CreditDecision, error) {
			cancel()
			return reserved(), nil
		}
	}, []string{"reserve", "close cancelled CANCELLED", "release CANCELLED"}, order.CreditReleased, "none"},
	{"on hold", func(e *orderEnv, cancel func()) {
		e.decide = held("INSUFFICIENT_CREDIT", 1800)
		e.after(time.Minute, cancel)
	}, []string{"reserve", "close cancelled CANCELLED", "release CANCELLED"}, order.CreditReleased, "none"},
	{"while the fulfillment is being started", func(e *orderEnv, cancel func()) {
		e.start = func() error { cancel(); return nil }
	}, []string{"reserve", "start", "close cancelled CANCELLED", "release CANCELLED"}, order.CreditReleased, "suppressed"},
	{"while the confirmation is retried", func(e *orderEnv, cancel func()) {
		tries := 0
		e.send = func(email.Kind) (activities.EmailResult, error) {
			if tries++; tries == 2 {
				cancel()
			}
			return activities.EmailResult{}, temporal.NewApplicationError("throttled", "MAIL_NOT_SENT")
		}
	}, []string{"reserve", "start", "email confirmation", "close cancelled CANCELLED", "release CANCELLED"}, order.CreditReleased, "suppressed"},
	{"while it waits for shipment", func(e *orderEnv, cancel func()) { e.after(time.Hour, cancel) },
		[]string{"reserve", "start", "email confirmation", "close cancelled CANCELLED", "release CANCELLED", "email cancellation"},
		order.CreditReleased, "sent"},
}

func TestCancelOrder_Compensates(t *testing.T) {
	t.Parallel()
	for _, point := range cancelPoints {
		for _, how := range []string{"signal", "update"} {
			t.Run(point.name+" by "+how, func(t *testing.T) {
				t.Parallel()
				e := newOrderEnv(t)
				releaseOnlyReserved(e)
				var update *updateResult
				point.arrange(e, func() {
					if how == "signal" {
						e.signal(workflows.CancelOrderMessage, cancelOrder)
					} else {
						update = e.update(workflows.CancelOrderMessage, cancelOrder)
					}
				})
				e.run()
				e.requireCalls(point.calls)
				state := e.state()
				require.Equal(t, order.StatusCancelled, state.Status)
				require.Equal(t, order.ReasonCancelled, state.Reason)
				require.Equal(t, "customer-request", state.Code)
				require.Equal(t, point.credit, state.Credit)
				require.Equal(t, point.email, state.Email)
				if how == "update" {
					require.NoError(t, errors.Join(update.rejected, update.err))
					require.Equal(t, order.StatusCancelled, update.state.Status, "the update returns when the order is compensated")
				}
			})
		}
	}
}

func TestNativeCancellation_CompensatesAndClosesAsCanceled(t *testing.T) {
	t.Parallel()
	for _, point := range cancelPoints {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			releaseOnlyReserved(e)
			point.arrange(e, e.env.CancelWorkflow)
			e.run()
			e.requireCalls(point.calls)
			var canceled *temporal.CanceledError
			require.ErrorAs(t, e.env.GetWorkflowError(), &canceled)
			var state order.State
			require.NoError(t, canceled.Details(&state))
			require.Equal(t, order.StatusCancelled, state.Status)
			require.Equal(t, order.ReasonCancelled, state.Reason)
			require.Empty(t, state.Code)
			require.Equal(t, point.credit, state.Credit)
		})
	}
}

func TestCancelOrder_Twice(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	releaseOnlyReserved(e)
	var second *updateResult
	e.after(time.Hour, func() {
		e.signal(workflows.CancelOrderMessage, cancelOrder)
		second = e.update(workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "again"})
	})
	e.run()
	require.NoError(t, errors.Join(second.rejected, second.err))
	require.Equal(t, order.StatusCancelled, second.state.Status)
	require.Equal(t, "customer-request", e.state().Code)
	e.requireCalls([]string{"reserve", "start", "email confirmation", "close cancelled CANCELLED", "release CANCELLED", "email cancellation"})
}

func TestCancelOrder_ShipmentWins(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		send func(e *orderEnv)
	}{
		{"that comes after it", func(e *orderEnv) {
			e.signal(workflows.RecordShipmentMessage, shipment)
			e.signal(workflows.CancelOrderMessage, cancelOrder)
		}},
		{"of the native kind", func(e *orderEnv) {
			e.signal(workflows.RecordShipmentMessage, shipment)
			e.env.CancelWorkflow()
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			e.after(time.Hour, func() { test.send(e) })
			e.run()
			require.Equal(t, order.StatusShipped, e.state().Status)
			e.requireCalls([]string{"reserve", "start", "email confirmation", "close shipped ", "email shipment"})
		})
	}
}

func TestCompensation_StuckStepIsRetried(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	tries := 0
	e.release = func(activities.ReleaseCreditInput) (activities.CreditDecision, error) {
		if tries++; tries < 3 {
			return activities.CreditDecision{}, permanentError("FULFILLMENT_FAILED")
		}
		return activities.CreditDecision{Verdict: credit.VerdictReleased, Amount: total}, nil
	}
	e.after(time.Hour, func() { e.signal(workflows.CancelOrderMessage, cancelOrder) })
	e.after(time.Hour+30*time.Second, func() { require.Equal(t, order.StatusCancelling, e.query().Status) })
	e.run()
	require.Equal(t, 3, tries)
	require.Equal(t, order.StatusCancelled, e.state().Status)
	require.Equal(t, order.CreditReleased, e.state().Credit)
}

func TestRecordShipment_FailureIsRetriedNotCompensated(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	tries := 0
	var cancelled *updateResult
	e.close = func() error {
		if tries++; tries < 3 {
			return permanentError("FULFILLMENT_FAILED")
		}
		return nil
	}
	e.after(time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
	e.after(time.Hour+30*time.Second, func() {
		require.Equal(t, order.StatusFulfilling, e.query().Status)
		cancelled = e.update(workflows.CancelOrderMessage, cancelOrder)
	})
	e.run()
	require.ErrorContains(t, cancelled.rejected, "the order is shipping")
	require.Equal(t, 3, tries)
	require.Equal(t, order.StatusShipped, e.state().Status)
	require.Equal(t, order.CreditReserved, e.state().Credit)
}

func TestCompensation_StopsAtShippedOrder(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.decide = held("INSUFFICIENT_CREDIT", 1800)
	e.row = &activities.Fulfillment{Status: order.StatusShipped, Shipment: &order.Shipment{Carrier: "DHL", TrackingNumber: "1"}}
	e.after(time.Minute, func() { e.signal(workflows.CancelOrderMessage, cancelOrder) })
	e.run()
	e.requireCalls([]string{"reserve", "close cancelled CANCELLED"})
	require.Equal(t, order.StatusShipped, e.state().Status)
}

// releaseOnlyReserved makes the account release only what it reserved.
func releaseOnlyReserved(e *orderEnv) {
	e.release = func(activities.ReleaseCreditInput) (activities.CreditDecision, error) {
		decision := activities.CreditDecision{Verdict: credit.VerdictReleased, Amount: order.Money{Currency: "USD"}}
		if e.holdsCredit {
			decision.Amount = total
		}
		return decision, nil
	}
}
