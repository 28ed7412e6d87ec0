// Package fulfillment owns what is written about an order's fulfilment: the row, how it starts and how it closes.
// It leaves storing it to internal/postgres and deciding about it to the workflow.
package fulfillment

import (
	"errors"
	"time"

	"orderflow/internal/email"
	"orderflow/internal/order"
)

// ErrClosed says that the row is already final in a way that differs from the one asked for. The row comes with it.
var ErrClosed = errors.New("fulfilment is already closed differently")

// ErrMismatch says that a row exists for the order and was written from another order: other customer or total.
var ErrMismatch = errors.New("fulfilment differs from the order")

// ErrNotFound says that the order has no row.
var ErrNotFound = errors.New("order has no fulfilment")

// ErrInvalid says that the store will never take what was written, however often it is tried.
var ErrInvalid = errors.New("fulfilment cannot be stored")

// Row is one order's fulfilment as stored, without recipient and address.
type Row struct {
	OrderID        string
	CustomerID     string
	Status         order.Status // fulfilling or a final status
	Reason         order.Reason
	Code           string // the operator's code of a cancellation
	Total          order.Money
	Carrier        string
	TrackingNumber string
	SourceEventID  string
	PlacedAt       time.Time
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Revision       int64

	Email   email.Status // of the newest mail
	MailDue email.Kind   // the newest mail's kind while it waits to be sent or its outcome is awaited, else empty
	AlsoDue []email.Kind // those of older mails of which the same is true, oldest first
}

// Start begins a fulfilment: insert, or return what is stored.
type Start struct {
	Order         order.Placed
	SourceEventID string
}

// Close ends a fulfilment in a final status. An order that has no row gets one in that status, unless its fulfillment
// began: then the row was lost, and has to be restored before it is closed.
type Close struct {
	OrderID        string
	CustomerID     string
	Total          order.Money
	PlacedAt       time.Time
	SourceEventID  string
	Status         order.Status
	Reason         order.Reason
	Code           string
	Carrier        string
	TrackingNumber string
	Emails         map[email.Kind]email.Status // what the order's workflow knows of each: what was sent stays sent
	Began          bool                        // the order had a row: it is ErrNotFound if there is none
	Order          *order.Placed               // the body, for a rejection: recipient, lines and mail address; nil otherwise
}
