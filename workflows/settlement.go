package workflows

import (
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/order"
)

// SettlementInput is what OrderSettlement is started with: a payment on an order's stream.
type SettlementInput struct {
	OrderID string       `json:"orderId"`
	Amount  order.Money  `json:"amount"`
	Source  order.Source `json:"source"` // of the payment
}

// OrderSettlement releases the credit of an order that has been paid. A payment that does not cover the order fails it:
// somebody has to look.
func OrderSettlement(ctx workflow.Context, in SettlementInput) (*activities.CreditDecision, error) {
	if !order.ValidID(in.OrderID) || in.Source.Stream != in.OrderID {
		return nil, temporal.NewNonRetryableApplicationError("orderId: must be the stream's order id", "INVALID_INPUT", nil)
	}
	var do *activities.Activities
	var decision activities.CreditDecision
	var steps stepper
	steps.takeOver(ctx)
	err := steps.untilDecided(ctx, StepReleaseCredit, func(ctx workflow.Context) error {
		ctx = summarized(ctx, "release credit: paid "+in.Amount.String())
		return workflow.ExecuteActivity(ctx, do.SettleCredit, activities.SettleCreditInput(in)).Get(ctx, &decision)
	})
	switch {
	case errors.Is(err, errContinueAsNew):
		return nil, workflow.NewContinueAsNewError(ctx, OrderSettlementType, in)
	case err != nil:
		return nil, err
	}
	return &decision, nil
}
