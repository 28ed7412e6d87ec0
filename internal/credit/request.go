package credit

import "orderflow/internal/order"

// ReasonPaid is the reason an order that was paid is released with.
const ReasonPaid = "paid"

// Request asks an account something about one order. Source goes into the metadata of the events it causes.
type Request struct {
	CustomerID string
	OrderID    string
	Amount     order.Money // the order's total
	Source     order.Source
}
