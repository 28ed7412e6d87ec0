package bridge

import (
	"errors"
	"slices"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"orderflow/internal/kurrent"
	"orderflow/internal/temporalclient"
)

// Class is what an error means for the event that caused it.
type Class int

// The classes of errors.
const (
	ClassDone          Class = iota // no error, or the event is parked
	ClassRetry                      // an outage, or throttling
	ClassNotYet                     // what the event is about does not exist yet
	ClassBusy                       // not yet: the workflow accepts no more messages for now, or no worker accepts an update
	ClassUndecodable                // not yet: this process lacks the key to decode which event the workflow was started for
	ClassRefused                    // this event is at fault, unless the namespace lacks something
	ClassConfiguration              // the namespace or the credentials are at fault, so it concerns every event
)

// String returns the name of the class.
func (c Class) String() string {
	return [...]string{"done", "retry", "not yet", "busy", "undecodable", "refused", "configuration"}[c]
}

// Classify returns the class of an error of an event's effect. It is the only place that
// does. FailedPrecondition counts as an outage whatever its message: the server sends it
// while a namespace fails over and while a cluster is upgraded.
func Classify(err error) Class {
	var parked *ParkError
	var invalid *serviceerror.InvalidArgument
	var exhausted *serviceerror.ResourceExhausted
	var early *NotYetError
	var noWorker *client.WorkflowUpdateServiceTimeoutOrCanceledError
	switch {
	case err == nil, errors.As(err, &parked):
		return ClassDone
	case errors.As(err, &early):
		return ClassNotYet
	case errors.As(err, &noWorker), errors.Is(err, errNoUpdateSlot), isBusyWithUpdates(err):
		return ClassBusy
	case errors.Is(err, temporalclient.ErrUnreadable):
		return ClassUndecodable
	case errors.Is(err, kurrent.ErrAccessDenied):
		return ClassRetry
	case temporalclient.NeedsOperator(err), errors.As(err, &invalid) && isAttributeError(invalid.Message):
		return ClassConfiguration
	case errors.As(err, &exhausted) && exhausted.Cause == enums.RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW:
		return ClassBusy // it is closing, and may continue as new
	case errors.As(err, &invalid) && slices.Contains(busyMessages(), invalid.Message):
		return ClassBusy
	case errors.As(err, &invalid), isRefusedLocally(err):
		return ClassRefused
	default:
		return ClassRetry
	}
}

// isBusyWithUpdates reports whether one workflow accepts no updates for now, while
// Temporal works: its task fails, or it has too many of them.
func isBusyWithUpdates(err error) bool {
	var notReady *serviceerror.WorkflowNotReady
	var exhausted *serviceerror.ResourceExhausted
	var precondition *serviceerror.FailedPrecondition
	return errors.As(err, &notReady) ||
		errors.As(err, &exhausted) && exhausted.Cause == enums.RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT ||
		errors.As(err, &precondition) && strings.HasPrefix(precondition.Message, "The limit on the total number of distinct updates")
}

// isRefusedLocally reports whether Temporal's client refuses a call before it sends it: it
// cannot encode an argument or the memo, or what it encoded is too large. Only texts tell.
func isRefusedLocally(err error) bool {
	return err != nil && (errors.Is(err, converter.ErrUnableToEncode) ||
		strings.Contains(err.Error(), "encode workflow memo error") || strings.Contains(err.Error(), "larger than max "))
}

// busyMessages returns the server's messages for a workflow that accepts no more messages
// until it continues as new. Only the text distinguishes them from other invalid
// arguments.
func busyMessages() []string {
	return []string{
		"exceeded workflow execution limit for signal events",
		"Workflow history size exceeds limit.",
		"Workflow history count exceeds limit.",
		"Workflow mutable state size exceeds limit.",
	}
}

// isAttributeError reports whether a server's message is about a search attribute that
// the namespace lacks or has with another type. The server validates a start against a
// cache, so CheckNamespace alone could blame the event.
func isAttributeError(message string) bool {
	return strings.Contains(message, "has no mapping defined for search attribute") ||
		strings.HasPrefix(message, "search attribute ") && strings.HasSuffix(message, " is not defined") ||
		strings.HasPrefix(message, "invalid value for search attribute ") && strings.Contains(message, " of type ") ||
		strings.HasPrefix(message, "unable to get ") && strings.Contains(message, " search attribute type: ")
}

// ServerMessage returns the text of Temporal's error, without the context that wraps it and
// without the value of a search attribute.
func ServerMessage(err error) string {
	var invalid *serviceerror.InvalidArgument
	if !errors.As(err, &invalid) {
		return err.Error()
	}
	if attribute, rest, found := strings.Cut(invalid.Message, " of type "); found && isAttributeError(invalid.Message) {
		kind, _, _ := strings.Cut(rest, ":") // what follows quotes the value
		return attribute + " of type " + kind
	}
	return invalid.Message
}
