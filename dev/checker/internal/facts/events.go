package facts

import (
	"time"

	"orderflow/internal/order"
)

// Placed is one order-placed event on an order's stream.
type Placed struct {
	Revision uint64
	EventID  string
	At       time.Time // when it was written
	Fault    string    // why it cannot be decoded; if not empty, the fields below are unset
	Unlinked bool      // the server omitted it from the group's stream

	CustomerID string
	Total      order.Money
	PlacedAt   time.Time
	Email      string
	Lines      Lines
}

// Payment is one order-paid event on an order's stream.
type Payment struct {
	Revision  uint64
	EventID   string
	Fault     string
	Unlinked  bool
	PaymentID string // empty if the producer set none
	Amount    order.Money
}

// Cancellation is one order-cancellation-requested event on an order's stream.
type Cancellation struct {
	Revision uint64
	EventID  string
	Fault    string
	Unlinked bool
}

// Instruction is an event that carries a message for an order: a shipment on the order's
// stream, or a decision on its stream of decisions about credit.
type Instruction struct {
	Type     string
	Decision bool
	Partial  bool // a shipment that does not claim to be the last
	Revision uint64
	EventID  string
	Fault    string // why it cannot be decoded; empty for a good one
	Unlinked bool   // the server left it out of the group's stream
}

// Stream returns the stream of an instruction for an order.
func (i Instruction) Stream(orderID string) string {
	if i.Decision {
		return order.CreditDecisionStream(orderID)
	}
	return order.Stream(orderID)
}

// Parked is one event of the order's stream that the group has parked, whatever happened
// to it later.
type Parked struct {
	Revision uint64 // in the order's stream
	Reason   string
	At       time.Time
}

// The types of the events on a credit stream.
const (
	CreditOpened   = "credit-account-opened"
	CreditLimit    = "credit-limit-changed"
	CreditReserved = "credit-reserved"
	CreditExceeded = "credit-limit-exceeded"
	CreditReleased = "credit-released"
)

// Account is a customer's credit stream.
type Account struct {
	CustomerID string
	Events     []CreditEvent // in stream order
}

// CreditEvent is one event of a credit stream.
type CreditEvent struct {
	CustomerID string // from the stream's name
	Revision   uint64
	EventID    string
	Type       string
	DataHash   string // SHA-256 of the body, in hex
	Causation  string // the event that caused it
	Fault      string // why the body cannot be decoded

	Named      string // the customer named in the body, if any
	OrderID    string
	Amount     order.Money
	Limit      order.Money
	Available  order.Money
	Held       bool
	HoldUntil  time.Time // of a held order
	At         time.Time // when it was written
	ApprovedBy string
	FreedBy    string // the event that freed the credit of an order on hold
	Reason     string
	Paid       order.Money // of a release as paid; empty if an earlier version wrote it
	Overpaid   order.Money
}
