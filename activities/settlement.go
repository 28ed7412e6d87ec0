package activities

import (
	"context"
	"fmt"

	"orderflow/internal/credit"
	"orderflow/internal/failpoint"
	"orderflow/internal/order"
)

// SettleCreditInput is a payment on an order's stream.
type SettleCreditInput struct {
	OrderID string       `json:"orderId"`
	Amount  order.Money  `json:"amount"`
	Source  order.Source `json:"source"` // of the payment
}

// SettlementStatus is the result of a payment.
type SettlementStatus string

// The statuses of a settlement.
const (
	SettlementPartial SettlementStatus = "PARTIAL" // the payments do not cover the order yet
	SettlementSettled SettlementStatus = "SETTLED" // they do, and the credit is released as paid, now or before
	SettlementClosed  SettlementStatus = "CLOSED"  // they do, but the order was closed in the account for another reason
)

// Settlement is the state of an order's payments, up to and including one of them. The
// account's decision is missing while they do not cover the order. Results recorded by
// earlier versions contain only the decision.
type Settlement struct {
	Status   SettlementStatus `json:"status,omitempty"`
	Verdict  credit.Verdict   `json:"verdict,omitempty"`
	Reason   string           `json:"reason,omitempty"` // of the release
	Amount   *order.Money     `json:"amount,omitempty"` // the amount released
	Total    order.Money      `json:"total,omitzero"`
	Paid     order.Money      `json:"paid,omitzero"`
	Overpaid order.Money      `json:"overpaid,omitzero"`
}

// SettleCredit adds up an order's payments, up to and including this one, and releases
// the order's credit if they cover its total. It reads the order, the customer and the
// payments from the order's stream. It permanently rejects a payment that does not count:
// one that contradicts an earlier payment with the same id, or one in another currency.
func (a *Activities) SettleCredit(ctx context.Context, in SettleCreditInput) (Settlement, error) {
	placed, payments, err := a.Orders.Payments(ctx, in.Source)
	if err != nil {
		return Settlement{}, classifyError(ctx, fmt.Errorf("find the payments: %w", err))
	}
	balance, err := order.AddPayments(placed.Total, payments)
	if err != nil {
		return Settlement{}, permanent(TypePaymentRefused, fmt.Errorf("payment of %s: %w", in.Amount, err))
	}
	settlement := Settlement{
		Status: SettlementPartial, Total: balance.Total, Paid: balance.Paid, Overpaid: balance.Overpaid(),
	}
	if !balance.Covered() {
		return settlement, nil
	}
	request := credit.Request{CustomerID: placed.CustomerID, OrderID: in.OrderID, Amount: placed.Total, Source: in.Source}
	cause := credit.Cause{Reason: credit.ReasonPaid, Paid: balance.Paid, Overpaid: balance.Overpaid()}
	failpoint.Hit("worker.settle.before")
	decision, err := a.Credit.Release(ctx, request, cause)
	if err != nil {
		return Settlement{}, classifyError(ctx, fmt.Errorf("settle credit: %w", err))
	}
	failpoint.Hit("worker.settle.after")
	settlement.Verdict, settlement.Reason, settlement.Amount = decision.Verdict, decision.Reason, &decision.Amount
	settlement.Status = SettlementSettled
	if decision.Reason != credit.ReasonPaid {
		settlement.Status = SettlementClosed
	}
	return settlement, nil
}
