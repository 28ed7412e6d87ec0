// Package fulfillment defines an order's fulfillment: its row, how it starts and how it
// closes, and the event that each version of the row is published as. Package postgres
// stores the row, and the workflow makes the decisions.
package fulfillment

import (
	"errors"
	"time"

	"orderflow/internal/email"
	"orderflow/internal/order"
)

// ErrClosed is returned with the row if the row is already final and differs from the
// requested one, or has other parcels.
var ErrClosed = errors.New("fulfillment is already closed differently")

// ErrMismatch is returned if the order's row was written from another order: its customer
// or total differs.
var ErrMismatch = errors.New("fulfillment differs from the order")

// ErrNotFound is returned if the order has no row.
var ErrNotFound = errors.New("order has no fulfillment")

// ErrParcelLeft is returned with the row of an order that cannot be canceled, because a
// parcel of it has left.
var ErrParcelLeft = errors.New("a parcel of the order has left")

// ErrBehind is returned if the row lacks parcels that were recorded before: their versions
// were lost, and must be restored.
var ErrBehind = errors.New("fulfillment lacks parcels that were recorded")

// ErrInvalid is returned if the store will never accept the row, however often the write
// is retried.
var ErrInvalid = errors.New("fulfillment cannot be stored")

// Row is the stored fulfillment of one order, without recipient and address.
type Row struct {
	OrderID    string
	CustomerID string
	Status     order.Status // fulfilling or a final status
	Reason     order.Reason
	Code       string // the operator's code of a cancellation
	Total      order.Money
	order.Shipment
	Parcels       []order.Parcel // so far, if the order ships in several
	Quantities    []int          // of the order's lines, while it is fulfilling
	SourceEventID string
	PlacedAt      time.Time
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Revision      int64
	ShipBy        time.Time // when the order should have left as a whole; zero for never
	Late          bool      // it waits longer than that

	Email    email.Status // of the newest email
	EmailDue email.Kind   // the newest email's kind while it waits to be sent or for its outcome, otherwise empty
	AlsoDue  []email.Kind // the kinds of older emails that wait likewise, oldest first
}

// Start starts a fulfillment: the store inserts a row, or returns the existing one.
type Start struct {
	Order  order.Placed
	Source order.Source
	ShipBy time.Duration // how long after its start the order should have shipped; 0 for any time
}

// Close closes a fulfillment in a final status. An order without a row gets one in that
// status, unless its fulfillment began: then the row was lost, and must be restored
// before it is closed.
type Close struct {
	OrderID    string
	CustomerID string
	Total      order.Money
	PlacedAt   time.Time
	Source     order.Source
	Status     order.Status
	Reason     order.Reason
	Code       string
	order.Shipment
	Parcels []order.Parcel              // all of them, if the order shipped in several
	Emails  map[email.Kind]email.Status // the status of each according to the workflow: a sent email stays sent
	Began   bool                        // the order had a row: return ErrNotFound if there is none
	Order   *order.Placed               // the body, for a rejection: recipient, lines and email address; nil otherwise
}

// ParcelLeft records that one more parcel of an order has left, and that others follow.
type ParcelLeft struct {
	OrderID    string
	CustomerID string
	Total      order.Money
	Parcels    []order.Parcel // all so far, the new one last
	Emails     map[email.Kind]email.Status
}
