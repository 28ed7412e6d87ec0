package main

import (
	"errors"

	"orderflow/internal/kurrent"
)

// refusal is why a version can never be appended as things are. It becomes the reason its order is set aside for.
type refusal struct {
	Code   string
	Detail string // no personal data
}

// Error gives code and detail.
func (r *refusal) Error() string { return r.Code + ": " + r.Detail }

// The codes of refusals.
const (
	codeInvalid = "VERSION_INVALID"      // the version is not what the trigger writes
	codeTooBig  = "EVENT_TOO_LARGE"      // the event store takes no event of that size
	codeRefused = "EVENT_REFUSED"        // the event store takes no such event
	codeDeleted = "STREAM_DELETED"       // somebody deleted the order's stream for good
	codeOther   = "STREAM_HOLDS_OTHER"   // another event is at the version's place
	codeGap     = "STREAM_LACKS_EARLIER" // a version before this one is neither in the stream nor in the history
	codeShifted = "STREAM_WAS_RECREATED" // the stream was deleted and goes on at another revision
)

// refusalOf tells what can never work from what passes, an outage or a right that is missing, for which it is nil.
func refusalOf(err error) *refusal {
	for sentinel, code := range map[error]string{
		kurrent.ErrTooLarge: codeTooBig, kurrent.ErrInvalid: codeRefused, kurrent.ErrDeleted: codeDeleted,
	} {
		if errors.Is(err, sentinel) {
			return &refusal{Code: code, Detail: sentinel.Error()}
		}
	}
	return nil
}
