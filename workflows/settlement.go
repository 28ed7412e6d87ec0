package workflows

import (
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
	err := workflow.ExecuteActivity(storing(ctx, "release credit: paid "+in.Amount.String()), do.SettleCredit,
		activities.SettleCreditInput(in)).Get(ctx, &decision)
	if err != nil {
		return nil, err
	}
	return &decision, nil
}
