package credit

import (
	"time"

	"orderflow/internal/order"
)

// ReasonPaid is the reason of the release of a paid order.
const ReasonPaid = "paid"

// Cause is why an order is closed in an account.
type Cause struct {
	Reason     string      // a code; required
	DeclinedBy string      // the id of the operator who declined the order's credit, if one did
	Paid       order.Money // with ReasonPaid, what was paid in all
	Overpaid   order.Money // with ReasonPaid, the part of Paid that exceeds the order's total
}

// Request is a command about one order. Source is stored in the metadata of the resulting
// events.
type Request struct {
	CustomerID string
	OrderID    string
	Amount     order.Money // the order's total
	Source     order.Source
	HoldUntil  time.Time // how long the order may wait for an operator if it is over the limit; zero refuses it at once
}
