package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/activities"
	"orderflow/internal/credit"
	"orderflow/internal/order"
	"orderflow/workflows"
)

func reviewInput() workflows.ReviewInput {
	return workflows.ReviewInput{
		CustomerID: customerID, Source: order.Source{Stream: "credit-" + customerID, Revision: 4, EventID: "8ac54566-28e9-4090-9719-7f41848bd2e3"},
	}
}

func TestCreditReview_TellsEachOrderOnce(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	results := []activities.CreditReview{
		{Orders: []string{"order-1", "order-2"}, More: true}, {Orders: []string{"order-1", "order-2", "order-3"}},
	}
	e.env.OnActivity("ReviewCredit", mock.Anything, activities.ReviewCreditInput(reviewInput())).Return(results[0], nil).Once()
	e.env.OnActivity("ReviewCredit", mock.Anything, mock.Anything).Return(results[1], nil).Once()
	for _, id := range results[1].Orders {
		e.env.OnSignalExternalWorkflow(mock.Anything, id, "", workflows.ReviewSignal, mock.Anything).Return(nil).Once()
	}
	e.env.ExecuteWorkflow(workflows.CreditReviewType, reviewInput())
	require.NoError(t, e.env.GetWorkflowError())
	var got activities.CreditReview
	require.NoError(t, e.env.GetWorkflowResult(&got))
	require.Equal(t, results[1], got)
	e.env.AssertExpectations(t)
}

func TestCreditReview_OrdersThatCannotBeTold(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.env.OnActivity("ReviewCredit", mock.Anything, mock.Anything).
		Return(activities.CreditReview{Orders: []string{"order-closed", "order-busy", "order-3"}}, nil).Once()
	tell := func(id string, err error) {
		e.env.OnSignalExternalWorkflow(mock.Anything, id, "", workflows.ReviewSignal, mock.Anything).Return(err).Once()
	}
	tell("order-closed", &temporal.UnknownExternalWorkflowExecutionError{})
	tell("order-busy", errors.New("too many signals"))
	tell("order-busy", nil)
	tell("order-3", nil)
	e.env.ExecuteWorkflow(workflows.CreditReviewType, reviewInput())
	require.NoError(t, e.env.GetWorkflowError())
	e.env.AssertExpectations(t)
}

func TestCreditReview_CountsAnOrderThatStaysUntold(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.env.OnActivity("ReviewCredit", mock.Anything, mock.Anything).Return(activities.CreditReview{Orders: []string{"order-busy", "order-2"}}, nil).Once()
	e.env.OnSignalExternalWorkflow(mock.Anything, "order-busy", "", workflows.ReviewSignal, mock.Anything).Return(errors.New("too many signals")).Times(10)
	e.env.OnSignalExternalWorkflow(mock.Anything, "order-2", "", workflows.ReviewSignal, mock.Anything).Return(nil).Once()
	began := e.env.Now()
	e.env.ExecuteWorkflow(workflows.CreditReviewType, reviewInput())
	require.NoError(t, e.env.GetWorkflowError(), "the next order is told")
	require.Equal(t, 1, e.meter.Sum("orderflow_reviews_untold"))
	require.Equal(t, 4*time.Minute+30*time.Second, e.env.Now().Sub(began).Round(time.Second))
	e.env.AssertExpectations(t)
}

func TestCreditReview_InvalidInput(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.env.ExecuteWorkflow(workflows.CreditReviewType, workflows.ReviewInput{CustomerID: customerID})
	require.ErrorContains(t, e.env.GetWorkflowError(), "must not be empty")
}

func TestCreditReview_LetsAnOrderGoOn(t *testing.T) {
	t.Parallel()
	o := newOrderOnServer(t)
	o.stores.holdFor = time.Hour
	o.startWorker()
	o.start()
	o.awaitStatus(order.StatusOnHold)
	state, ok := o.query()
	require.True(t, ok)
	require.WithinDuration(t, o.stores.holdUntil, state.HoldUntil, time.Second)

	review, err := o.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "review-" + o.id, TaskQueue: o.queue},
		workflows.CreditReviewType, reviewInput())
	require.NoError(t, err)
	require.NoError(t, review.Get(t.Context(), nil))
	o.awaitStatus(order.StatusFulfilling)
	o.record("reviewed-waiting-for-shipment", "")
	o.recordWorkflow("credit-review", review.GetID())
	state, ok = o.query()
	require.True(t, ok)
	require.Zero(t, state.HoldUntil)
	require.Equal(t, order.CreditReserved, state.Credit)
	require.Empty(t, state.Reason)
	o.signal(workflows.RecordShipmentMessage, shipment)
	shipped, err := o.result()
	require.NoError(t, err)
	require.Equal(t, order.StatusShipped, shipped.Status)
}

// A review may reserve before the order knows that it is on hold.
func TestReviewSignal_BeforeTheHold(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	asked := 0
	e.decide = func(in activities.ReserveCreditInput) (activities.CreditDecision, error) {
		if asked++; asked == 1 {
			return held("INSUFFICIENT_CREDIT", 3600)(in)
		}
		return reserved(), nil
	}
	e.after(0, func() { e.signal(workflows.ReviewSignal, nil) })
	e.after(time.Minute, func() {
		require.Equal(t, order.StatusFulfilling, e.query().Status)
		e.signal(workflows.RecordShipmentMessage, shipment)
	})
	e.run()
	require.Equal(t, order.StatusShipped, e.state().Status)
}

// An order that is past its hold ignores reviews, and so does one that never was on hold.
func TestReviewSignal_AfterTheHold(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.after(time.Minute, func() { e.signal(workflows.ReviewSignal, nil) })
	e.after(2*time.Minute, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
	e.run()
	require.Equal(t, order.StatusShipped, e.state().Status)
	e.requireCalls([]string{"reserve", "start", "email confirmation", "close shipped ", "email shipment"})
}

// A review reserved the order's credit before the decline. Where the run that went on with
// it is gone, only the row knows how far the order has come: it is closed first.
func TestDeclineCredit_AfterReview(t *testing.T) {
	t.Parallel()
	parcel := order.Parcel{Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: "T1"}, Lines: []order.ParcelLine{{Line: 1, Quantity: 1}}}
	for name, test := range map[string]struct {
		row    *activities.Fulfillment
		calls  []string
		status order.Status
		credit order.Credit
		reason order.Reason
	}{
		"the order has not gone on": {
			nil, []string{"close rejected CREDIT_DECLINED", "release CREDIT_DECLINED", "email rejection"},
			order.StatusRejected, order.CreditReleased, order.ReasonCreditDeclined,
		},
		"it waits for its shipment": {
			&activities.Fulfillment{Status: order.StatusFulfilling, Quantities: []int{2}},
			[]string{"close rejected CREDIT_DECLINED", "close cancelled CREDIT_DECLINED", "release CREDIT_DECLINED"},
			order.StatusCancelled, order.CreditReleased, order.ReasonCreditDeclined,
		},
		"a parcel has left": {
			&activities.Fulfillment{Status: order.StatusFulfilling, Quantities: []int{2}, Parcels: []order.Parcel{parcel}},
			[]string{"close rejected CREDIT_DECLINED", "close cancelled CREDIT_DECLINED", "close shipped ", "email shipment-2"},
			order.StatusShipped, order.CreditReserved, "",
		},
		"it has shipped": {
			&activities.Fulfillment{Status: order.StatusShipped, Shipment: &parcel.Shipment},
			[]string{"close rejected CREDIT_DECLINED"}, order.StatusShipped, order.CreditReserved, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			e.confirmed = test.status == order.StatusShipped
			e.row = test.row
			e.decide = held("INSUFFICIENT_CREDIT", 1800)
			var declinedBy []string
			e.release = func(in activities.ReleaseCreditInput) (activities.CreditDecision, error) {
				declinedBy = append(declinedBy, in.DeclinedBy)
				if in.HeldOnly {
					return reserved(), nil
				}
				return activities.CreditDecision{Verdict: credit.VerdictReleased, Reason: in.Reason, Amount: total}, nil
			}
			e.after(time.Minute, func() { e.signal(workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-1"}) })
			e.after(time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
			e.run()
			e.requireCalls(append([]string{"reserve", "release CREDIT_DECLINED"}, test.calls...))
			require.NotContains(t, declinedBy, "")
			state := e.state()
			require.Equal(t, []any{test.status, test.credit, test.reason}, []any{state.Status, state.Credit, state.Reason})
		})
	}
}

func TestDeclineCredit_WhileTheOrderLooksAgain(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	asked := 0
	e.decide = func(in activities.ReserveCreditInput) (activities.CreditDecision, error) {
		if asked++; asked == 1 {
			return held("INSUFFICIENT_CREDIT", 3600)(in)
		}
		e.signal(workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-1"})
		return reserved(), nil
	}
	e.release = func(in activities.ReleaseCreditInput) (activities.CreditDecision, error) {
		if in.HeldOnly {
			return reserved(), nil
		}
		return activities.CreditDecision{Verdict: credit.VerdictReleased, Reason: in.Reason, Amount: total}, nil
	}
	e.after(time.Minute, func() { e.signal(workflows.ReviewSignal, nil) })
	e.after(time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
	e.run()
	state := e.state()
	require.Equal(t, []any{order.StatusRejected, order.ReasonCreditDeclined}, []any{state.Status, state.Reason})
	require.Equal(t, order.CreditReleased, state.Credit)
}
