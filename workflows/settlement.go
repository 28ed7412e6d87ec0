package workflows

import (
	"errors"

	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/order"
)

// SettlementInput is the input of OrderSettlement: a payment on an order's stream.
type SettlementInput struct {
	OrderID string       `json:"orderId"`
	Amount  order.Money  `json:"amount"`
	Source  order.Source `json:"source"` // of the payment
}

// OrderSettlement releases the credit of an order if the payments up to and including
// this one cover it. If they leave a part open, the workflow completes as partial. If the
// payment cannot count, the workflow fails, for an operator to look at.
//
// Histories recorded when a single payment had to cover the order still replay, because
// the activity makes that decision.
func OrderSettlement(ctx workflow.Context, in SettlementInput) (*activities.Settlement, error) {
	if !order.ValidID(in.OrderID) || in.Source.Stream != in.OrderID {
		return nil, invalidInput(errors.New("orderId: must be the stream's order id"))
	}
	var do *activities.Activities
	var settlement activities.Settlement
	steps := stepper{orderID: in.OrderID, source: in.Source}
	steps.resumePublished(ctx)
	steps.acceptRefresh(ctx, steps.stuckAttribute)
	err := steps.retryUntilDecided(ctx, StepReleaseCredit, func(ctx workflow.Context) error {
		ctx = summarized(ctx, "release credit: paid "+in.Amount.String())
		return workflow.ExecuteActivity(ctx, do.SettleCredit, activities.SettleCreditInput(in)).Get(ctx, &settlement)
	})
	switch {
	case errors.Is(err, errContinueAsNew):
		return nil, workflow.NewContinueAsNewError(ctx, OrderSettlementType, in)
	case err != nil:
		return nil, err
	}
	steps.logger(ctx).Info("payment settled")
	return &settlement, nil
}
