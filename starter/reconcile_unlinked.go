package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/serverjson"
)

const (
	categoryStream = "$ce-" // begins the name of a stream that $by_category fills

	contentTypeJSON = "application/json"

	// maxCorrections bounds how far behind an unlinked event its correction is looked for.
	maxCorrections = 10_000
)

// errCorrected ends a read that has found an unlinked event's correction.
var errCorrected = errors.New("corrected")

// unlinkedEvent is an event that the server left out of the subscription's stream, because it says it is JSON and is not.
type unlinkedEvent struct {
	stream    string
	revision  uint64
	eventType string
	reason    error
}

// unlinkedIn returns e as an unlinked event if a subscription to stream should have delivered it and cannot.
func unlinkedIn(stream string, e kurrent.Event) (unlinkedEvent, bool) {
	category, ok := strings.CutPrefix(stream, categoryStream)
	if !ok || e.ContentType != contentTypeJSON || !strings.HasPrefix(e.Stream, category+"-") {
		return unlinkedEvent{}, false
	}
	reason := serverjson.Check(e.Data)
	return unlinkedEvent{
		stream: e.Stream, revision: e.Revision, eventType: canonicalType(e.Type), reason: reason,
	}, reason != nil
}

// canonicalType returns one name for an event type that may have two.
func canonicalType(eventType string) string {
	if eventType == order.TypePlacedAlias {
		return order.TypePlaced
	}
	return eventType
}

// checkUnlinked reports those unlinked events that still wait for an operator.
func (r *reconciliation) checkUnlinked(ctx context.Context, batch []unlinkedEvent) error {
	return each(ctx, batch, func(ctx context.Context, e unlinkedEvent) error {
		waits, err := r.awaitsCorrection(ctx, e)
		if err != nil || !waits {
			return err
		}
		d := r.report.note(printable(e.stream), unlinked, facts{Detail: fmt.Sprintf("event %d (%s): %s", e.revision, e.eventType, e.reason)})
		d.Revision = &e.revision
		return nil
	})
}

// printable quotes the name of a stream that is no order's: it may hold anything.
func printable(stream string) string {
	if order.ValidID(stream) {
		return stream
	}
	return fmt.Sprintf("%.200q", stream)
}

// awaitsCorrection reports whether the event is still on its stream and no later event of its kind that the server
// linked has taken its place.
func (r *reconciliation) awaitsCorrection(ctx context.Context, e unlinkedEvent) (bool, error) {
	present := false
	err := r.events.ReadStream(ctx, e.stream, e.revision, maxCorrections, func(found kurrent.Event) error {
		_, unlinked := unlinkedIn(r.settings.Stream, found)
		switch {
		case found.Revision == e.revision:
			present = true
		case canonicalType(found.Type) == e.eventType && !unlinked:
			return errCorrected
		}
		return nil
	})
	switch {
	case errors.Is(err, errCorrected), errors.Is(err, kurrent.ErrNotFound), errors.Is(err, kurrent.ErrDeleted):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for a correction of event %d of %s: %w", e.revision, e.stream, err)
	}
	return present, nil
}
