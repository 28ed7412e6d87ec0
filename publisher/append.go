package main

import (
	"context"
	"errors"
	"fmt"

	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
)

// errGap says that a stream ends before the version in front of this one.
var errGap = errors.New("the stream lacks earlier versions")

// appender writes versions to their streams. An append may be repeated at any time, by anybody: it is made at the revision
// the version has, with an id that comes from its content.
type appender struct {
	events *kurrent.Client
	store  *postgres.Store
}

// append makes the event of a version. Its errors are a *refusal, errGap, or what passes.
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
		return a.lookAt(ctx, version, event)
	}
	if refused := refusalOf(err); refused != nil {
		return refused
	}
	return err
}

// lookAt tells why a stream was not where it was expected.
func (a appender) lookAt(ctx context.Context, version kurrent.FulfillmentVersion, event kurrent.NewEvent) error {
	found, err := a.events.ReadEvent(ctx, version.Stream(), version.Revision)
	switch {
	case err == nil && found.ID == event.ID:
		return nil
	case err == nil:
		return otherEvent(version)
	case errors.Is(err, kurrent.ErrNotFound):
		return a.lookAtEnd(ctx, version, event)
	}
	if refused := refusalOf(err); refused != nil {
		return refused
	}
	return err
}

// lookAtEnd tells a stream that ends before a version from one that had it and was truncated since, as $maxCount, $maxAge and
// $tb have it done: that version is published.
func (a appender) lookAtEnd(ctx context.Context, version kurrent.FulfillmentVersion, event kurrent.NewEvent) error {
	last, err := a.events.LastEvent(ctx, version.Stream())
	switch {
	case err == nil && (last.Revision > version.Revision || last.Revision == version.Revision && last.ID == event.ID):
		return nil
	case err == nil && last.Revision == version.Revision: // it was written between the two looks
		return otherEvent(version)
	case err == nil || errors.Is(err, kurrent.ErrNotFound):
		return errGap
	}
	if refused := refusalOf(err); refused != nil {
		return refused
	}
	return err
}

func otherEvent(version kurrent.FulfillmentVersion) *refusal {
	return &refusal{Code: codeOther, Detail: fmt.Sprintf("event %d of the stream is not this version's", version.Revision)}
}

// historyPage is how many versions of one order are read at a time; most orders have two or three.
const historyPage = 100

// replay appends every version of an order that the history still has, and answers the last one's revision, -1 for none.
// It closes a gap that the order of reading, or a restored event store, has left.
func (a appender) replay(ctx context.Context, orderID string) (last int64, err error) {
	for last = -1; ; {
		page, err := a.store.OrderHistory(ctx, orderID, last+1, historyPage)
		if err != nil || len(page) == 0 {
			return last, err
		}
		for _, v := range page {
			err := a.append(ctx, v)
			if errors.Is(err, errGap) {
				err = &refusal{Code: codeGap, Detail: fmt.Sprintf("the stream ends before revision %d, and the history has no more", v.Revision-1)}
			}
			if err != nil {
				return last, err
			}
			last = v.Revision
		}
	}
}
