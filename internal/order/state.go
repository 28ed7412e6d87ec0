package order

import (
	"errors"
	"time"

	"orderflow/internal/correlation"
)

// ErrGone is returned if the event an order was placed with can no longer be read from
// its stream.
var ErrGone = errors.New("the placed order is gone from its stream")

// Source is the location of an order's body. The event store is the claim check, so that
// histories contain no personal data.
type Source struct {
	Stream   string `json:"stream"`
	Revision uint64 `json:"revision"`
	EventID  string `json:"eventId"`
	correlation.Trace
}

// Status is the status of an order. The workflow, the fulfillment row and every report
// use the same values.
type Status string

// The statuses of an order. Shipped, rejected and cancelled are final: they never change.
const (
	StatusPending    Status = "pending"
	StatusOnHold     Status = "on-hold"
	StatusFulfilling Status = "fulfilling"
	StatusShipped    Status = "shipped"
	StatusRejected   Status = "rejected"
	StatusCancelling Status = "cancelling"
	StatusCancelled  Status = "cancelled"
)

// Statuses returns all statuses.
func Statuses() []Status {
	return []Status{
		StatusPending, StatusOnHold, StatusFulfilling, StatusShipped, StatusRejected, StatusCancelling, StatusCancelled,
	}
}

// Final reports whether an order in this status never changes again.
func (s Status) Final() bool {
	return s == StatusShipped || s == StatusRejected || s == StatusCancelled
}

// Reason is a fixed code for why an order was not, or not yet, fulfilled.
type Reason string

// The reasons of an order. With ReasonCancelled, State.Code holds the operator's own
// code.
const (
	ReasonInsufficientCredit Reason = "INSUFFICIENT_CREDIT"
	ReasonUnknownCustomer    Reason = "UNKNOWN_CUSTOMER"
	ReasonCurrencyMismatch   Reason = "CURRENCY_MISMATCH"
	ReasonCreditDeclined     Reason = "CREDIT_DECLINED"
	ReasonHoldExpired        Reason = "HOLD_EXPIRED"
	ReasonOrderGone          Reason = "ORDER_GONE"
	ReasonFulfillmentFailed  Reason = "FULFILLMENT_FAILED"
	ReasonCancelled          Reason = "CANCELLED"
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{
		ReasonInsufficientCredit, ReasonUnknownCustomer, ReasonCurrencyMismatch, ReasonCreditDeclined, ReasonHoldExpired,
		ReasonOrderGone, ReasonFulfillmentFailed, ReasonCancelled,
	}
}

// Credit is the state of the order's claim on its customer's credit.
type Credit string

// The states of an order's credit.
const (
	CreditNone     Credit = "none"
	CreditReserved Credit = "reserved"
	CreditRefused  Credit = "refused"
	CreditHeld     Credit = "held"
	CreditReleased Credit = "released"
)

// Shipment is how an order left: the carrier and the carrier's number for the parcel, the
// last one if there are several. It is the zero value until the order is shipped. Where it
// is embedded, its JSON members are those of the outer object.
type Shipment struct {
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"trackingNumber"`
}

// State is the JSON returned by the status query, the workflow and its updates. It
// contains ids, codes and amounts, never a name or an address.
type State struct {
	OrderID    string `json:"orderId"`
	CustomerID string `json:"customerId"`
	Status     Status `json:"status"`
	Reason     Reason `json:"reason"`
	Code       string `json:"code,omitempty"`
	Total      Money  `json:"total"`
	Credit     Credit `json:"credit"`
	Email      string `json:"email"` // of the newest email
	Shipment
	Parcels   []Parcel  `json:"parcels,omitempty"` // that have left, if the order ships in several
	PlacedAt  time.Time `json:"placedAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	ShipBy    time.Time `json:"shipBy,omitzero"` // when the order should have left as a whole; zero for never
	Late      bool      `json:"late,omitempty"`  // it waits longer than that

	// HoldUntil is when the hold of an order on hold ends. It is zero otherwise.
	HoldUntil time.Time `json:"holdUntil,omitzero"`

	// Emails is the status of each email that the workflow began to send, by kind. It is
	// pending until the outcome is known.
	Emails map[string]string `json:"emails,omitempty"`
}
