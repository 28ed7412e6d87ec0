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

// OrderSettlement releases the credit of an order whose payments cover it, up to and with this one. A payment that leaves
// a part open completes it as partial. A payment that cannot count fails it, for an operator to look at.
//
// Histories recorded when a payment had to cover the order alone replay as they were: the activity decides.
func OrderSettlement(ctx workflow.Context, in SettlementInput) (*activities.Settlement, error) {
	if !order.ValidID(in.OrderID) || in.Source.Stream != in.OrderID {
		return nil, temporal.NewNonRetryableApplicationError("orderId: must be the stream's order id", "INVALID_INPUT", nil)
	}
	var do *activities.Activities
	var settlement activities.Settlement
	var steps stepper
	steps.takeOver(ctx)
	err := steps.untilDecided(ctx, StepReleaseCredit, func(ctx workflow.Context) error {
		ctx = summarized(ctx, "release credit: paid "+in.Amount.String())
		return workflow.ExecuteActivity(ctx, do.SettleCredit, activities.SettleCreditInput(in)).Get(ctx, &settlement)
	})
	switch {
	case errors.Is(err, errContinueAsNew):
		return nil, workflow.NewContinueAsNewError(ctx, OrderSettlementType, in)
	case err != nil:
		return nil, err
	}
	return &settlement, nil
}
