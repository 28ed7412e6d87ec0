package order

import "time"

// The types of the events on an order's stream that this package decodes. Other types
// belong to other programs.
const (
	TypePlaced                = "order-placed"
	TypePlacedAlias           = "OrderPlaced" // the name of TypePlaced in some documents
	TypePaid                  = "order-paid"
	TypeCancellationRequested = "order-cancellation-requested"
)

// IsPlaced reports whether an event of this type places an order.
func IsPlaced(eventType string) bool { return eventType == TypePlaced || eventType == TypePlacedAlias }

// MaxEventBytes is the longest body of an event that is decoded.
const MaxEventBytes = 256 << 10

// Placed is an order as its customer placed it. It contains personal data: it must be
// stored in PostgreSQL only.
type Placed struct {
	OrderID        string
	CustomerID     string
	Total          Money     // goods and tax, without shipping; more than 0
	PlacedAt       time.Time // UTC, of the years 1970 to 9999, in whole microseconds so that it is the same time in every store
	ShippingMethod string
	Recipient      Recipient // of the shipment; may be empty
	Address        Address   // of the shipment; may be empty
	Language       string    // of the customer's emails: a BCP 47 tag in lower case such as de or pt-br; empty if the order names none
	Email          string    // the email address: one @, 1 to 320 bytes, its domain in lower case and in ASCII if possible
	Lines          []Line    // 1 to 500
}

// Recipient is the person the parcel is sent to.
type Recipient struct {
	Title    string
	FullName string
	Phone    string
}

// Address is the address the parcel is sent to.
type Address struct {
	Country string
	Lines   []string
}

// Line is one line of an order. The same product may be on several lines.
type Line struct {
	No          int // from 1
	ProductID   string
	ProductName string
	Quantity    int    // 1 to 1,000,000
	UnitPrice   string // decimal, in the order's currency, before tax, with at least the currency's decimals
	TaxRate     string // decimal, 0 to 1
	Total       Money  // quantity × unit price × (1 + tax rate), rounded half up
}

// Paid is a payment for an order, or for a part of it.
type Paid struct {
	OrderID   string
	PaymentID string // counts once per order stream; empty if the producer set none
	Amount    Money  // more than 0
}

// Cancellation is a request to cancel an order.
type Cancellation struct {
	OrderID string
	Reason  string // a code: 1 to 64 of [A-Za-z0-9._-]
}

// InvalidError describes a fault of an event's body. It never repeats a value from the
// body.
type InvalidError struct {
	Path   string // the JSON path, such as lineItems[1].quantity; empty for the body as a whole
	Reason string // such as "must be at least 1"
}

// Error returns the path and the reason: "lineItems[1].quantity: must be at least 1".
func (e *InvalidError) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	return e.Path + ": " + e.Reason
}
