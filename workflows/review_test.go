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
