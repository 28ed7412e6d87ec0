package publish

import (
	"context"
	"errors"
	"fmt"

	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/streams"
)

// ErrGap means that the stream does not yet contain the version before this one.
var ErrGap = errors.New("the stream lacks earlier versions")

// Appender appends versions to their streams. Any process may repeat an append at any
// time: it expects the version's revision, and the event id is derived from the version's
// content.
type Appender struct {
	Events  *kurrent.Client
	History *postgres.History
}

// Append appends the event of a version. It returns a *Refusal, ErrGap, or a temporary
// error.
func (a Appender) Append(ctx context.Context, v postgres.Version) error {
	version, event, err := eventOf(v)
	if err != nil {
		return err
	}
	failpoint.Hit("publisher.append.before")
	revision, err := a.Events.Append(ctx, version.Stream(), version.Expected(), event)
	switch {
	case err == nil && revision != version.Revision:
		return &Refusal{Code: CodeShifted, Detail: fmt.Sprintf("revision %d was written as %d", version.Revision, revision)}
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
func (a Appender) inspectConflict(ctx context.Context, version streams.FulfillmentVersion, event kurrent.NewEvent) error {
	found, err := a.Events.ReadEvent(ctx, version.Stream(), version.Revision)
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
func (a Appender) inspectEnd(ctx context.Context, version streams.FulfillmentVersion, event kurrent.NewEvent) error {
	last, err := a.Events.LastEvent(ctx, version.Stream())
	switch {
	case err == nil && (last.Revision > version.Revision || last.Revision == version.Revision && last.ID == event.ID):
		return nil
	case err == nil && last.Revision == version.Revision: // it was written between the two reads
		return otherEventRefusal(version)
	case err == nil || errors.Is(err, kurrent.ErrNotFound):
		return ErrGap
	}
	if refused := refusalOf(err); refused != nil {
		return refused
	}
	return err
}

func otherEventRefusal(version streams.FulfillmentVersion) *Refusal {
	return &Refusal{Code: CodeOther, Detail: fmt.Sprintf("event %d of the stream belongs to another version", version.Revision)}
}

// historyPage is how many versions of one order are read at a time. Most orders have two
// or three.
const historyPage = 100

// Replay appends every version of an order that the history still has, and returns the
// revision of the last one, or -1 if there is none. It closes a gap left by the order of
// reading or by a restored event store.
func (a Appender) Replay(ctx context.Context, orderID string) (last int64, err error) {
	for last = -1; ; {
		page, err := a.History.OrderPage(ctx, orderID, last+1, historyPage)
		if err != nil || len(page) == 0 {
			return last, err
		}
		for _, v := range page {
			err := a.Append(ctx, v)
			if errors.Is(err, ErrGap) {
				err = &Refusal{Code: CodeGap, Detail: fmt.Sprintf("the stream ends before revision %d, and the history has no earlier version", v.Revision-1)}
			}
			if err != nil {
				return last, err
			}
			last = v.Revision
		}
	}
}

// Refusal is why a version cannot be appended unless something changes. It is recorded as
// the reason its order is set aside.
type Refusal struct {
	Code   string
	Detail string // no personal data
}

// Error returns code and detail.
func (r *Refusal) Error() string { return r.Code + ": " + r.Detail }

// Refusal codes.
const (
	CodeInvalid = "VERSION_INVALID"      // the trigger does not write such a version
	CodeTooBig  = "EVENT_TOO_LARGE"      // the event store rejects events of that size
	CodeRefused = "EVENT_REFUSED"        // the event store rejects the event
	CodeDeleted = "STREAM_DELETED"       // the order's stream was tombstoned
	CodeOther   = "STREAM_HOLDS_OTHER"   // another event has the version's revision
	CodeGap     = "STREAM_LACKS_EARLIER" // an earlier version is neither in the stream nor in the history
	CodeShifted = "STREAM_WAS_RECREATED" // the stream was deleted and continues at another revision
)

// refusalOf returns the refusal for an error that retries cannot fix, or nil for a
// temporary one such as an outage or a missing right.
func refusalOf(err error) *Refusal {
	for sentinel, code := range map[error]string{
		kurrent.ErrTooLarge: CodeTooBig, kurrent.ErrInvalid: CodeRefused, kurrent.ErrDeleted: CodeDeleted,
	} {
		if errors.Is(err, sentinel) {
			return &Refusal{Code: code, Detail: sentinel.Error()}
		}
	}
	return nil
}
