// Package email defines the send ledger's values: the kinds of emails of an order, the
// statuses of one send, and the letter to send. Package postgres stores the ledger, and
// package ses renders and sends.
package email

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"orderflow/internal/order"
)

// Kind is the kind of an email. An order has at most one email of each kind, and each of
// its parcels has a kind of its own: see ParcelKind.
type Kind string

// The kinds of emails.
const (
	KindConfirmation Kind = "confirmation"
	KindRejection    Kind = "rejection"
	KindShipment     Kind = "shipment"
	KindCancellation Kind = "cancellation"
)

// Kinds returns all kinds, without those of the parcels after the first.
func Kinds() []Kind { return []Kind{KindConfirmation, KindRejection, KindShipment, KindCancellation} }

// ParcelKind returns the kind of the email about an order's parcel n, counted from 1:
// shipment, shipment-2, shipment-3 and so on.
func ParcelKind(n int) Kind {
	if n <= 1 {
		return KindShipment
	}
	return KindShipment + Kind("-"+strconv.Itoa(n))
}

// Parcel returns the number of the parcel that the email is about, from 1. It returns 0 if
// the email is about no parcel.
func (k Kind) Parcel() int {
	if k == KindShipment {
		return 1
	}
	number, found := strings.CutPrefix(string(k), string(KindShipment)+"-")
	n, err := strconv.Atoi(number)
	if !found || err != nil || n < 2 || n > order.MaxParcels || ParcelKind(n) != k {
		return 0
	}
	return n
}

// Base returns the kind without the number of a parcel: one of Kinds, if k is known.
func (k Kind) Base() Kind {
	if k.Parcel() > 0 {
		return KindShipment
	}
	return k
}

// Known reports whether k is one of Kinds, or the kind of a parcel that an order may have.
func (k Kind) Known() bool { return slices.Contains(Kinds(), k.Base()) }

// Status is the status of one email in the send ledger.
type Status string

// The statuses of an email. Sending: one attempt owns it until its lease ends. Unknown:
// the provider may or may not have accepted it. Suppressed: it was withdrawn while it
// certainly had not been sent.
const (
	StatusNone       Status = "none"
	StatusPending    Status = "pending"
	StatusSending    Status = "sending"
	StatusSent       Status = "sent"
	StatusFailed     Status = "failed"
	StatusUnknown    Status = "unknown"
	StatusSuppressed Status = "suppressed"
)

// Statuses returns all statuses. StatusNone is the status of an email without a row in
// the ledger.
func Statuses() []Status {
	return []Status{StatusNone, StatusPending, StatusSending, StatusSent, StatusFailed, StatusUnknown, StatusSuppressed}
}

// Report returns the status that reports show: an email whose attempt is running is shown
// as pending.
func (s Status) Report() Status {
	switch s {
	case "":
		return StatusNone
	case StatusSending:
		return StatusPending
	default:
		return s
	}
}

// Policy decides what happens to an email whose outcome is unknown.
type Policy string

// Resend sends once more after a grace time; hold leaves it to an operator.
const (
	PolicyResend Policy = "resend"
	PolicyHold   Policy = "hold"
)

// UnmarshalText accepts exactly the known policies.
func (p *Policy) UnmarshalText(text []byte) error {
	switch v := Policy(text); v {
	case PolicyResend, PolicyHold:
		*p = v
		return nil
	default:
		return fmt.Errorf("must be %s or %s", PolicyResend, PolicyHold)
	}
}

// Claim is the result of an attempt's claim of an email.
type Claim struct {
	Status  Status        // sending: the caller owns the attempt; otherwise the status in the ledger
	Attempt int           // the attempt's number, for its outcome
	RetryIn time.Duration // above zero: retry after this time, when another attempt's lease or the grace time ends
	Letter  Letter        // set if the caller owns the attempt
}

// Letter is the recipient and everything a template needs. It is personal data: it must
// only be passed from PostgreSQL to the provider.
type Letter struct {
	OrderID string
	Kind    Kind
	Attempt int // the claim's number
	To      string

	// Language is the customer's, as order.Placed has it; empty if the order names none.
	Language string

	Name   string // the recipient's title and full name, may be empty
	Total  order.Money
	Reason order.Reason
	order.Shipment
	Parcel       Parcel
	Country      string
	AddressLines []string
	Lines        []LetterLine
}

// Parcel is which of an order's parcels a letter is about, and what is to follow it.
type Parcel string

// The parcels of a letter. Its lines are those of the parcel, but those of the order if
// the parcel is the only one.
const (
	ParcelOnly Parcel = ""     // the order ships as a whole, or the letter is about no parcel
	ParcelPart Parcel = "part" // others follow
	ParcelLast Parcel = "last" // others left before
)

// LetterLine is one line of the order as shown to the customer.
type LetterLine struct {
	ProductName string
	Quantity    int
	UnitPrice   string // decimal, in the order's currency
}

// Outcome is the outcome of one attempt: sent with the provider's message id, pending if
// it certainly was not sent and may be tried again, failed if it certainly never will be
// sent, and unknown otherwise.
type Outcome struct {
	OrderID   string `json:"orderId"`
	Kind      Kind   `json:"kind"`
	Attempt   int    `json:"attempt"`
	Status    Status `json:"status"`
	MessageID string `json:"messageId,omitempty"`
	ErrorCode string `json:"errorCode,omitempty"` // the provider's code, never its text
}

// SendError describes what is known about an email that a mailer could not send.
type SendError struct {
	Status     Status        // pending (not sent, may be tried again), failed (never will be sent) or unknown
	Code       string        // the provider's error code or a short word such as "dial"
	RetryAfter time.Duration // the delay that the provider asks for; 0 if none
	Err        error
}

// Error returns the status and the code. It omits the cause, which may quote an address;
// see Unwrap.
func (e *SendError) Error() string { return fmt.Sprintf("email is %s: %s", e.Status, e.Code) }

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }
