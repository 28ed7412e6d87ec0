package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/order"
)

// ReviewInput is the input of CreditReview: an event that freed credit on a customer's
// account.
type ReviewInput struct {
	CustomerID string       `json:"customerId"`
	Source     order.Source `json:"source"`
}

// CreditReview looks again at a customer's orders on hold, because credit was freed. The
// account reserves for those that fit, the oldest first. Each of these orders is then told
// to look at its decision. It returns the orders.
//
// The account alone decides, so that orders that look at the same time cannot be given the
// same credit, and none overtakes an older one that fits.
func CreditReview(ctx workflow.Context, in ReviewInput) (*activities.CreditReview, error) {
	if in.CustomerID == "" || in.Source.EventID == "" {
		return nil, invalidInput(errors.New("customerId and source.eventId: must not be empty"))
	}
	var do *activities.Activities
	var steps stepper
	steps.resumePublished(ctx)
	steps.acceptRefresh(ctx, steps.stuckAttribute)
	result := activities.CreditReview{More: true}
	told := map[string]bool{}
	for result.More {
		result = activities.CreditReview{}
		err := steps.retryUntilDecided(ctx, StepReserveCredit, func(ctx workflow.Context) error {
			ctx = summarized(ctx, "review the orders on hold")
			return workflow.ExecuteActivity(ctx, do.ReviewCredit, activities.ReviewCreditInput(in)).Get(ctx, &result)
		})
		switch {
		case errors.Is(err, errContinueAsNew):
			return nil, workflow.NewContinueAsNewError(ctx, CreditReviewType, in)
		case err != nil:
			return nil, err
		}
		for _, orderID := range result.Orders {
			if !told[orderID] {
				told[orderID] = true
				tellOrder(ctx, orderID)
			}
		}
	}
	workflow.GetLogger(ctx).Info("orders on hold reviewed", "reserved", len(result.Orders))
	return &result, nil
}

// How often and how long apart an order is told that does not accept signals for now: its
// history is full, and it is about to continue as new.
const (
	tellTries = 10
	tellPause = 30 * time.Second
)

// tellOrder signals an order whose credit is reserved. An order without a running workflow
// needs no signal: it was closed, which releases its credit, or reconcile repairs it.
func tellOrder(ctx workflow.Context, orderID string) {
	for n := range tellTries {
		if n > 0 && workflow.Sleep(ctx, tellPause) != nil {
			return // canceled
		}
		err := workflow.SignalExternalWorkflow(ctx, orderID, "", ReviewSignal, nil).Get(ctx, nil)
		var gone *temporal.UnknownExternalWorkflowExecutionError
		if err == nil || errors.As(err, &gone) {
			return
		}
		workflow.GetLogger(ctx).Warn("order cannot be signaled", "order", orderID, "error", err)
	}
	workflow.GetMetricsHandler(ctx).Counter("orderflow_reviews_untold").Inc(1)
}
