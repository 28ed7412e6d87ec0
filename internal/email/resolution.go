package email

import (
	"fmt"
	"slices"
	"time"
)

// Resolution is what an operator decides about a mail that does not get any further by itself.
type Resolution string

// The resolutions: the customer has it, it is given up, or it is sent again.
const (
	ResolutionSent   Resolution = "sent"
	ResolutionFailed Resolution = "failed"
	ResolutionResend Resolution = "resend"
)

// Transition is the one table of what may be resolved: from any of these states to that one. A mail that is there already
// stays as it is, so that the same command again is no error. All other states are refused: an attempt under way knows
// best itself, one that was sent is out, and one that was taken back is not wanted any more.
func (r Resolution) Transition() (from []Status, to Status) {
	switch r {
	case ResolutionSent:
		return []Status{StatusUnknown, StatusSent}, StatusSent
	case ResolutionFailed:
		return []Status{StatusUnknown, StatusFailed, StatusPending}, StatusFailed
	case ResolutionResend:
		return []Status{StatusUnknown, StatusFailed, StatusPending}, StatusPending
	default:
		return nil, ""
	}
}

// Allows reports whether a mail in that state may be resolved so.
func (r Resolution) Allows(s Status) bool {
	from, _ := r.Transition()
	return slices.Contains(from, s)
}

// Decision is one email and what an operator decided about it.
type Decision struct {
	OrderID    string
	Kind       Kind
	Resolution Resolution
	MessageID  string // the provider's, with ResolutionSent alone, and at most 256 bytes; may be empty
	Only       Status // resolve it from this state alone, or if it is resolved so already; empty: from any that allows it
}

// Allows reports whether an email in that state may be resolved as decided.
func (d Decision) Allows(s Status) bool {
	_, to := d.Resolution.Transition()
	return d.Resolution.Allows(s) && (d.Only == "" || s == d.Only || s == to)
}

// Filter picks rows of the send ledger.
type Filter struct {
	Statuses []Status  // any of pending, sending, unknown and failed
	Kind     Kind      // empty: any
	From     time.Time // came into that state at this time or later; zero: any time
	To       time.Time // and before this one; zero: any time
	Limit    int       // rows at most
}

// Delivery is one row of the send ledger as an operator sees it: without the recipient.
type Delivery struct {
	OrderID         string    `json:"orderId"`
	Kind            Kind      `json:"kind"`
	Status          Status    `json:"status"` // unknown also for an attempt whose lease has ended
	Attempt         int       `json:"attempt"`
	UnknownAttempts int       `json:"unknownAttempts"`
	ErrorCode       string    `json:"errorCode,omitempty"`
	Since           time.Time `json:"since"` // when it came into that state
}

// RefusedError says why a mail cannot be resolved as it was asked for.
type RefusedError struct {
	Decision   Decision
	Status     Status    // where the mail stands
	LeaseUntil time.Time // of the attempt that is sending it, else zero
	Erased     bool      // there is no address any more
	Withdrawn  bool      // it confirms an order that was cancelled
}

// Error names the state and, where it passes by itself, until when to wait.
func (e *RefusedError) Error() string {
	switch {
	case e.Status == StatusSending:
		return fmt.Sprintf("it is being sent: ask again after %s", e.LeaseUntil.UTC().Format(time.RFC3339))
	case !e.Decision.Allows(e.Status):
		return fmt.Sprintf("it is %s", e.Status)
	case e.Erased:
		return fmt.Sprintf("it is %s, and its address was erased", e.Status)
	default:
		return fmt.Sprintf("it is %s, and its order was cancelled", e.Status)
	}
}
