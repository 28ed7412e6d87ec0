package bridge

import (
	"errors"
	"fmt"
	"time"
)

// Result is the outcome of an event, as the metric counts it.
type Result string

// The outcomes of events.
const (
	Started   Result = "started"   // a workflow was started
	Duplicate Result = "duplicate" // this same event took effect before, or one that says the same is about to
	Ignored   Result = "ignored"   // not for the bridge, or deleted
	Signalled Result = "signalled" // an open run received the signal
	Updated   Result = "updated"   // an open run accepted the update
	Late      Result = "late"      // the workflow is closed
	Parked    Result = "parked"    // it can never take effect; the parked stream says why
)

// Results returns all outcomes.
func Results() []Result {
	return []Result{Started, Duplicate, Ignored, Signalled, Updated, Late, Parked}
}

// Reasons that the bridge parks an event for. What follows the reason and a colon says
// more.
const (
	ReasonInvalid         = "INVALID"          // the data cannot be decoded
	ReasonAlreadyStarted  = "ALREADY_STARTED"  // the id's workflow was started for another event
	ReasonForeignWorkflow = "FOREIGN_WORKFLOW" // the id's workflow has another type
	ReasonNoWorkflow      = "NO_WORKFLOW"      // there is no workflow to signal
	ReasonRefused         = "REFUSED"          // by Temporal, followed by its message
	ReasonRejected        = "REJECTED"         // by the workflow that was to be updated
	ReasonEarly           = "EARLY"            // by that workflow too, which may have accepted it later
	ReasonRoute           = "ROUTE"            // the route returned something unusable, or panicked
)

// ParkError means that an event can never take effect.
type ParkError struct {
	Reason  string // for the parked stream and the log, so without personal data; up to 1 KiB
	Replied bool   // Temporal has replied before the fault was found, so it does not refuse every event
}

// Error returns the reason.
func (e *ParkError) Error() string { return e.Reason }

// Park returns a ParkError.
func Park(format string, args ...any) error { return &ParkError{Reason: fmt.Sprintf(format, args...)} }

// ParkAfterReply returns a ParkError for an event about which Temporal has replied.
func ParkAfterReply(format string, args ...any) error {
	return &ParkError{Reason: fmt.Sprintf(format, args...), Replied: true}
}

// afterReply returns err, marked as one about which Temporal has replied.
func afterReply(err error) error {
	var parked *ParkError
	if errors.As(err, &parked) {
		return &ParkError{Reason: parked.Reason, Replied: true}
	}
	return err
}

// NotYetError means that an event cannot take effect yet: for example, the events of one
// stream may be delivered out of order. The bridge tries again for Wait, without holding
// up other events, and then parks the event.
type NotYetError struct {
	Err  error
	Code string        // precedes Err in the reason that the event is parked with
	Wait time.Duration // WorkflowWait by default, at most half of HoldTimeout; an outage in between starts it anew

	forEvent bool // another event has to take effect first, which may be in another bridge's hands
}

// Error returns the text of Err.
func (e *NotYetError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *NotYetError) Unwrap() error { return e.Err }

// NotYet returns a NotYetError with the default wait.
func NotYet(code string, err error) error {
	return &NotYetError{Err: err, Code: code}
}

// ErrNoResult means that a workflow has ended without a result: it failed, was canceled or
// terminated, or timed out.
var ErrNoResult = errors.New("the workflow ended without a result")

// ErrRunChanged means that a workflow's run ended or was deleted between two calls. The
// next attempt finds another one.
var ErrRunChanged = errors.New("the workflow's run has changed")
