package main

import (
	"context"
	"errors"
	"fmt"

	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
)

// errGap means that the stream does not yet contain the version before this one.
var errGap = errors.New("the stream lacks earlier versions")

// appender appends versions to their streams. Any process may repeat an append at any
// time: it expects the version's revision, and the event id is derived from the version's
// content.
type appender struct {
	events *kurrent.Client
	store  *postgres.Store
}

// append appends the event of a version. It returns a *refusal, errGap, or a temporary
// error.
func (a appender) append(ctx context.Context, v postgres.Version) error {
	version, event, err := eventOf(v)
	if err != nil {
		return err
	}
	failpoint.Hit("publisher.append.before")
	revision, err := a.events.Append(ctx, version.Stream(), version.Expected(), event)
	switch {
	case err == nil && revision != version.Revision:
		return &refusal{Code: codeShifted, Detail: fmt.Sprintf("revision %d was written as %d", version.Revision, revision)}
	case err == nil:
		failpoint.Hit("publisher.append.after")
		return nil
	case errors.Is(err, kurrent.ErrWrongRevision):
		return a.inspectConflict(ctx, version, event)
	}
	if refused := refusalOf(err); refused != nil {
		return refused
	}
	return err
}

// inspectConflict finds out why a stream was not at the expected revision. It returns nil
// if the version is already published.
func (a appender) inspectConflict(ctx context.Context, version kurrent.FulfillmentVersion, event kurrent.NewEvent) error {
	found, err := a.events.ReadEvent(ctx, version.Stream(), version.Revision)
	switch {
	case err == nil && found.ID == event.ID:
		return nil
	case err == nil:
		return otherEventRefusal(version)
	case errors.Is(err, kurrent.ErrNotFound):
		return a.inspectEnd(ctx, version, event)
	}
	if refused := refusalOf(err); refused != nil {
		return refused
	}
	return err
}

// inspectEnd distinguishes a stream that ends before a version from one that contained it
// and was truncated since, as $maxCount, $maxAge and $tb do. In the second case the
// version is published.
func (a appender) inspectEnd(ctx context.Context, version kurrent.FulfillmentVersion, event kurrent.NewEvent) error {
	last, err := a.events.LastEvent(ctx, version.Stream())
	switch {
	case err == nil && (last.Revision > version.Revision || last.Revision == version.Revision && last.ID == event.ID):
		return nil
	case err == nil && last.Revision == version.Revision: // it was written between the two reads
		return otherEventRefusal(version)
	case err == nil || errors.Is(err, kurrent.ErrNotFound):
		return errGap
	}
	if refused := refusalOf(err); refused != nil {
		return refused
	}
	return err
}

func otherEventRefusal(version kurrent.FulfillmentVersion) *refusal {
	return &refusal{Code: codeOther, Detail: fmt.Sprintf("event %d of the stream belongs to another version", version.Revision)}
}

// historyPage is how many versions of one order are read at a time. Most orders have two
// or three.
const historyPage = 100

// replay appends every version of an order that the history still has, and returns the
// revision of the last one, or -1 if there is none. It closes a gap left by the order of
// reading or by a restored event store.
func (a appender) replay(ctx context.Context, orderID string) (last int64, err error) {
	for last = -1; ; {
		page, err := a.store.OrderHistory(ctx, orderID, last+1, historyPage)
		if err != nil || len(page) == 0 {
			return last, err
		}
		for _, v := range page {
			err := a.append(ctx, v)
			if errors.Is(err, errGap) {
				err = &refusal{Code: codeGap, Detail: fmt.Sprintf("the stream ends before revision %d, and the history has no earlier version", v.Revision-1)}
			}
			if err != nil {
				return last, err
			}
			last = v.Revision
		}
	}
}

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
