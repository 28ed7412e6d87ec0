package main

import (
	"errors"

	"orderflow/internal/kurrent"
)

// refusal is why a version cannot be appended unless something changes. It is recorded as
// the reason its order is set aside.
type refusal struct {
	Code   string
	Detail string // no personal data
}

// Error returns code and detail.
func (r *refusal) Error() string { return r.Code + ": " + r.Detail }

// Refusal codes.
const (
	codeInvalid = "VERSION_INVALID"      // the trigger does not write such a version
	codeTooBig  = "EVENT_TOO_LARGE"      // the event store rejects events of that size
	codeRefused = "EVENT_REFUSED"        // the event store rejects the event
	codeDeleted = "STREAM_DELETED"       // the order's stream was tombstoned
	codeOther   = "STREAM_HOLDS_OTHER"   // another event has the version's revision
	codeGap     = "STREAM_LACKS_EARLIER" // an earlier version is neither in the stream nor in the history
	codeShifted = "STREAM_WAS_RECREATED" // the stream was deleted and continues at another revision
)

// refusalOf returns the refusal for an error that retries cannot fix, or nil for a
// temporary one such as an outage or a missing right.
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
