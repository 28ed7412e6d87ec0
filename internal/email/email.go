// Package email owns the words of the send ledger: the kinds of mail an order can cause, the states one send goes
// through, and the letter that is to be sent. It leaves storing the ledger to internal/postgres, and rendering and
// sending to internal/ses.
package email

import (
	"fmt"
	"slices"
	"time"

	"orderflow/internal/order"
)

// Kind is the occasion of a mail. An order gets at most one mail of each kind.
type Kind string

// The kinds of mail.
const (
	KindConfirmation Kind = "confirmation"
	KindRejection    Kind = "rejection"
	KindShipment     Kind = "shipment"
	KindCancellation Kind = "cancellation"
)

// Kinds lists them all.
func Kinds() []Kind { return []Kind{KindConfirmation, KindRejection, KindShipment, KindCancellation} }

// Known reports whether there are mails of this kind.
func (k Kind) Known() bool { return slices.Contains(Kinds(), k) }

// Status is the state of one mail in the send ledger.
type Status string

// The states of a mail. Sending is owned by one attempt until its lease ends; unknown means that the provider may or may
// not have accepted it; suppressed means that it was taken back while it certainly had not been sent.
const (
	StatusNone       Status = "none"
	StatusPending    Status = "pending"
	StatusSending    Status = "sending"
	StatusSent       Status = "sent"
	StatusFailed     Status = "failed"
	StatusUnknown    Status = "unknown"
	StatusSuppressed Status = "suppressed"
)

// Statuses lists them all. StatusNone is that of a mail of which the ledger has no row.
func Statuses() []Status {
	return []Status{StatusNone, StatusPending, StatusSending, StatusSent, StatusFailed, StatusUnknown, StatusSuppressed}
}

// Report gives the word reports use: a mail in the middle of an attempt is still pending to whoever waits for it.
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

// Policy says what happens to a mail whose outcome is unknown.
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

// Claim is the ledger's answer to an attempt that wants to send.
type Claim struct {
	Status  Status        // sending: the caller owns the attempt; anything else: what the ledger says
	Attempt int           // the attempt's number, to settle with
	RetryIn time.Duration // above zero: another attempt's lease or the grace time ends then; come back
	Letter  Letter        // filled when the caller owns the attempt
}

// Letter is everything a template needs and the one recipient. It is personal data: it goes from Postgres to the
// provider and nowhere else.
type Letter struct {
	OrderID        string
	Kind           Kind
	To             string
	Name           string // the recipient's title and full name, may be empty
	Total          order.Money
	Reason         order.Reason
	Carrier        string
	TrackingNumber string
	Country        string
	AddressLines   []string
	Lines          []LetterLine
}

// LetterLine is one line of the order as the customer reads it.
type LetterLine struct {
	ProductName string
	Quantity    int
	UnitPrice   string // decimal, in the order's currency
}

// Outcome settles one attempt: sent with the provider's message id, pending when it certainly was not sent and may be
// tried again, failed when it certainly never will be, unknown otherwise.
type Outcome struct {
	OrderID   string `json:"orderId"`
	Kind      Kind   `json:"kind"`
	Attempt   int    `json:"attempt"`
	Status    Status `json:"status"`
	MessageID string `json:"messageId,omitempty"`
	ErrorCode string `json:"errorCode,omitempty"` // the provider's code, never its text
}

// SendError is how a sender says what is known about a mail it could not send.
type SendError struct {
	Status     Status        // pending (not sent, may be tried again), failed (never will be) or unknown
	Code       string        // the provider's error code or a short word such as "dial"
	RetryAfter time.Duration // how long the provider wants to be left alone, 0 when it did not say
	Err        error
}

// Error names the state and the code; the cause is left to Unwrap, for it may quote an address.
func (e *SendError) Error() string { return fmt.Sprintf("mail is %s: %s", e.Status, e.Code) }

// Unwrap gives the cause.
func (e *SendError) Unwrap() error { return e.Err }
