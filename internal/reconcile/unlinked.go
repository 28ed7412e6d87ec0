package reconcile

import (
	"context"
	"errors"
	"fmt"

	"orderflow/bridge"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// maxCorrections bounds how many events after an unlinked one are searched for its
// correction.
const maxCorrections = 10_000

// errCorrected ends a read that has found an unlinked event's correction.
var errCorrected = errors.New("corrected")

// unlinkedEvent is an event that the server left out of the subscription's stream because
// its content type is JSON and its data is not.
type unlinkedEvent struct {
	stream    string
	revision  uint64
	eventType string
	reason    error
}

// unlinked returns e as an unlinked event, and reports whether a subscription of the starter
// should have delivered it but cannot.
func (r *reconciliation) unlinked(e kurrent.Event) (unlinkedEvent, bool) {
	if one, unlinked := unlinkedIn(r.stream, e); unlinked {
		return one, true
	}
	return unlinkedIn(order.CreditDecisionLinks, e)
}

// unlinkedIn returns e as an unlinked event, and reports whether a subscription to stream
// should have delivered it but cannot.
func unlinkedIn(stream string, e kurrent.Event) (unlinkedEvent, bool) {
	reason := bridge.WhyUnlinked(stream, bridge.Event(e))
	return unlinkedEvent{
		stream: e.Stream, revision: e.Revision, eventType: canonicalType(e.Type), reason: reason,
	}, reason != nil
}

// canonicalType returns a single name for an event type that may have two.
func canonicalType(eventType string) string {
	if eventType == order.TypePlacedAlias {
		return order.TypePlaced
	}
	return eventType
}

// checkUnlinked reports the unlinked events that still wait for an operator.
func (r *reconciliation) checkUnlinked(ctx context.Context, batch []unlinkedEvent) error {
	return each(ctx, r, batch, func(ctx context.Context, e unlinkedEvent) error {
		waits, err := r.awaitsCorrection(ctx, e)
		if err != nil || !waits {
			return err
		}
		d := r.report.add(printable(e.stream), unlinked, facts{Detail: fmt.Sprintf("event %d (%s): %s", e.revision, e.eventType, e.reason)})
		d.Revision = &e.revision
		return nil
	})
}

// printable quotes the name of a stream unless it is a valid order id, for it may contain
// anything.
func printable(stream string) string {
	if order.ValidID(stream) {
		return stream
	}
	return fmt.Sprintf("%.200q", stream)
}

// awaitsCorrection reports whether the event is still on its stream and was not replaced
// by a later event of its type that the server linked.
func (r *reconciliation) awaitsCorrection(ctx context.Context, e unlinkedEvent) (bool, error) {
	present := false
	err := r.events.ReadStream(ctx, e.stream, e.revision, maxCorrections, func(found kurrent.Event) error {
		_, unlinked := r.unlinked(found)
		switch {
		case found.Revision == e.revision:
			present = true
		case canonicalType(found.Type) == e.eventType && !unlinked:
			return errCorrected
		}
		return nil
	})
	switch {
	case errors.Is(err, errCorrected), kurrent.IsGone(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("find a correction of event %d of %s: %w", e.revision, e.stream, err)
	}
	return present, nil
}
