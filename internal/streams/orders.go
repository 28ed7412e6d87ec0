package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// maxOrderEvents is how many events of an order's stream FindPlaced reads. Such a stream
// has a handful of events. An order-placed event after that many is not found: such a
// stream is not an order's.
const maxOrderEvents = 10_000

// Orders reads the streams of orders, order-<id>. The client appends to them.
type Orders struct{ *kurrent.Client }

// errFound ends a read that has found what it was looking for.
var errFound = errors.New("found")

// Body reads the order that source refers to, from the one event it names. It returns
// order.ErrGone if that event no longer exists or another one is stored in its place, and
// an *order.InvalidError if the event cannot be decoded.
func (o Orders) Body(ctx context.Context, source order.Source) (order.Placed, error) {
	event, err := confirmedOnLeader(o.Client, func(on reader) (kurrent.Event, error) {
		event, err := on.ReadEvent(ctx, source.Stream, source.Revision)
		if err == nil && event.ID.String() != source.EventID {
			err = fmt.Errorf("read %s at %d: it is another event: %w", source.Stream, source.Revision, kurrent.ErrNotFound)
		}
		return event, err
	})
	if err != nil {
		return order.Placed{}, mapGone(err)
	}
	return decodePlaced(event)
}

// FindPlaced reads the event that placed the stream's order: the first decodable
// order-placed event among its first 10,000 events. An event that cannot be decoded was
// parked, and a corrected one may follow it. FindPlaced returns kurrent.ErrNotFound if
// there is no order-placed event, kurrent.ErrDeleted if there is none and the stream was
// truncated or deleted, softly or permanently, and the *order.InvalidError of the first one
// if none can be decoded.
func (o Orders) FindPlaced(ctx context.Context, stream string) (kurrent.Event, error) {
	found, err := o.findPlaced(ctx, stream)
	return found.event, err
}

// FirstCancellation reads the first decodable request to cancel among the 10,000 events
// of an order's stream after the one that placed it, and reports whether there is one. A
// deleted stream has none.
func (o Orders) FirstCancellation(
	ctx context.Context, stream string, placed uint64,
) (request order.Cancellation, found bool, err error) {
	err = o.Leader().ReadStream(ctx, stream, placed, maxOrderEvents, func(event kurrent.Event) error {
		if event.Type != order.TypeCancellationRequested {
			return nil
		}
		decoded, invalid := order.DecodeCancellation(event.Stream, event.ContentType, event.Data)
		if invalid != nil {
			return nil // it was parked
		}
		request, found = decoded, true
		return errFound
	})
	if errors.Is(err, errFound) || kurrent.IsGone(err) {
		err = nil
	}
	if err != nil {
		return order.Cancellation{}, false, fmt.Errorf("find a cancellation: %w", err)
	}
	return request, found, nil
}

// confirmedOnLeader reads, and reads again on the leading node before it returns that
// something is missing or invalid. A connection to a node that led until a moment ago can
// return old data, and an order given up because of that would be lost.
func confirmedOnLeader[T any](client *kurrent.Client, read func(reader) (T, error)) (T, error) {
	found, err := read(client)
	if _, invalid := errors.AsType[*order.InvalidError](err); invalid || kurrent.IsGone(err) {
		return read(client.Leader())
	}
	return found, err
}

// reader reads on any connection, or on a new one to the leading node.
type reader interface {
	ReadEvent(ctx context.Context, stream string, revision uint64) (kurrent.Event, error)
	ReadStream(ctx context.Context, stream string, from uint64, limit int, visit func(kurrent.Event) error) error
}

func mapGone(err error) error {
	if kurrent.IsGone(err) {
		return fmt.Errorf("%w: %w", order.ErrGone, err)
	}
	return err
}

// storedOrder is an order and the event that placed it.
type storedOrder struct {
	event kurrent.Event
	order order.Placed
}

func (o Orders) findPlaced(ctx context.Context, stream string) (storedOrder, error) {
	found, err := confirmedOnLeader(o.Client, func(on reader) (storedOrder, error) { return scanPlaced(ctx, on, stream) })
	if errors.Is(err, kurrent.ErrNotFound) {
		err = o.notFoundOrDeleted(ctx, stream, err)
	}
	if err != nil {
		return storedOrder{}, fmt.Errorf("find order-placed: %w", err)
	}
	return found, nil
}

func scanPlaced(ctx context.Context, on reader, stream string) (found storedOrder, err error) {
	var firstInvalid error // of the first event that cannot be decoded
	err = on.ReadStream(ctx, stream, 0, maxOrderEvents, func(event kurrent.Event) (err error) {
		if !order.IsPlaced(event.Type) {
			return nil
		}
		if found.order, err = decodePlaced(event); err != nil {
			firstInvalid = cmp.Or(firstInvalid, err)
			return nil
		}
		found.event = event
		return errFound
	})
	switch {
	case errors.Is(err, errFound):
		return found, nil
	case err != nil:
		return storedOrder{}, err
	case firstInvalid != nil:
		return storedOrder{}, firstInvalid
	default:
		return storedOrder{}, fmt.Errorf("%s: %w", stream, kurrent.ErrNotFound)
	}
}

// notFoundOrDeleted returns kurrent.ErrDeleted for a stream that was deleted softly or
// truncated, and otherwise notFound. An event that was appended after the deletion can be
// read, and the order before it cannot.
func (o Orders) notFoundOrDeleted(ctx context.Context, stream string, notFound error) error {
	first, err := o.FirstReadable(ctx, stream)
	switch {
	case err != nil:
		return err
	case first > 0:
		return fmt.Errorf("%s: %w", stream, kurrent.ErrDeleted)
	default:
		return notFound
	}
}

func decodePlaced(event kurrent.Event) (order.Placed, error) {
	placed, err := order.DecodePlaced(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return order.Placed{}, fmt.Errorf("decode %s at %d: %w", event.Stream, event.Revision, err)
	}
	return placed, nil
}
