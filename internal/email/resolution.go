package email

import (
	"fmt"
	"slices"
	"time"
)

// MaxMessageID is the maximum length in bytes of a provider's message id in the ledger.
const MaxMessageID = 256

// Resolution is an operator's decision about an email that cannot proceed without one.
type Resolution string

// The resolutions: the customer has received it, it is given up, or it is sent again.
const (
	ResolutionSent   Resolution = "sent"
	ResolutionFailed Resolution = "failed"
	ResolutionResend Resolution = "resend"
)

// Transition returns the statuses from which an email may be resolved, and the resulting
// status. An email that already has the resulting status stays unchanged, so that
// repeating a command is no error. All other statuses are rejected: the outcome of a
// running attempt is not known yet, an email that was sent cannot be recalled, and a
// withdrawn email is not wanted any more.
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

// Allows reports whether an email with status s may be resolved this way.
func (r Resolution) Allows(s Status) bool {
	from, _ := r.Transition()
	return slices.Contains(from, s)
}

// Decision is an operator's decision about one email.
type Decision struct {
	OrderID    string
	Kind       Kind
	Resolution Resolution
	MessageID  string // the provider's, only with ResolutionSent, at most MaxMessageID bytes; may be empty
	Only       Status // resolve it only from this status, or if it is already resolved this way; empty: from any allowed status
}

// Allows reports whether an email with status s may be resolved as decided.
func (d Decision) Allows(s Status) bool {
	_, to := d.Resolution.Transition()
	return d.Resolution.Allows(s) && (d.Only == "" || s == d.Only || s == to)
}

// Filter selects rows of the send ledger.
type Filter struct {
	Statuses []Status  // any of pending, sending, unknown and failed
	Kind     Kind      // empty: any
	From     time.Time // has had that status since this time or later; zero: any time
	To       time.Time // has had that status since before this time; zero: any time
	Limit    int       // maximum number of rows
}

// Delivery is one row of the send ledger as shown to an operator: without the recipient.
type Delivery struct {
	OrderID         string    `json:"orderId"`
	Kind            Kind      `json:"kind"`
	Status          Status    `json:"status"` // also unknown for an attempt whose lease has ended
	Attempt         int       `json:"attempt"`
	UnknownAttempts int       `json:"unknownAttempts"`
	ErrorCode       string    `json:"errorCode,omitempty"`
	Since           time.Time `json:"since"` // the time of the last change of the status
	Progress        Progress  `json:"progress,omitempty"`
	ProgressDetail  string    `json:"progressDetail,omitempty"`
}

// RefusedError is returned if an email cannot be resolved as decided.
type RefusedError struct {
	Decision   Decision
	Status     Status    // the email's status
	LeaseUntil time.Time // of the running attempt, otherwise zero
	Erased     bool      // the address was erased
	Withdrawn  bool      // it confirms an order that was canceled
}

// Error returns the status and, if the status is temporary, the time to wait for.
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
