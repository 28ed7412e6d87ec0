package kurrent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/internal/order"
)

// maxOrderEvents is how many events of an order's stream FindPlaced reads. Such a stream
// has a handful of events. An order-placed event after that many is not found: such a
// stream is not an order's.
const maxOrderEvents = 10_000

// errFound ends a read that has found what it was looking for.
var errFound = errors.New("found")

// Body reads the order that source refers to, from the one event it names. It returns
// order.ErrGone if that event no longer exists or another one is stored in its place, and
// an *order.InvalidError if the event cannot be decoded.
func (c *Client) Body(ctx context.Context, source order.Source) (order.Placed, error) {
	event, err := confirmedOnLeader(func(leader bool) (Event, error) {
		event, err := c.readEvent(ctx, page{stream: source.Stream, from: source.Revision, count: 1, leader: leader})
		if err == nil && event.ID.String() != source.EventID {
			err = fmt.Errorf("read %s at %d: it is another event: %w", source.Stream, source.Revision, ErrNotFound)
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
// parked, and a corrected one may follow it. FindPlaced returns ErrNotFound if there is
// no order-placed event, ErrDeleted if the stream is deleted, softly or permanently, and
// the *order.InvalidError of the first one if none can be decoded.
func (c *Client) FindPlaced(ctx context.Context, stream string) (Event, error) {
	found, err := c.findPlaced(ctx, stream)
	return found.event, err
}

// FirstCancellation reads the first decodable request to cancel among the 10,000 events
// of an order's stream after the one that placed it, and reports whether there is one. A
// deleted stream has none.
func (c *Client) FirstCancellation(
	ctx context.Context, stream string, placed uint64,
) (request order.Cancellation, found bool, err error) {
	err = c.read(ctx, page{stream: stream, from: placed, count: maxOrderEvents, leader: true}, func(e *kurrentdb.ResolvedEvent) error {
		event := *eventOf(e.Event)
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
	if errors.Is(err, errFound) || isGone(err) {
		err = nil
	}
	if err != nil {
		return order.Cancellation{}, false, fmt.Errorf("find a cancellation: %w", err)
	}
	return request, found, nil
}

// ReadLinkTarget reads the event that link points to. It may be readable again since the
// link was delivered without it. ReadLinkTarget returns ErrNotFound or ErrDeleted if the
// event is gone, and ErrInvalid if link is not a link.
func (c *Client) ReadLinkTarget(ctx context.Context, link Event) (Event, error) {
	stream, revision, ok := LinkTarget(link)
	if !ok {
		return Event{}, fmt.Errorf("%w: event %d of %s is not a link", ErrInvalid, link.Revision, link.Stream)
	}
	return confirmedOnLeader(func(leader bool) (Event, error) {
		return c.readEvent(ctx, page{stream: stream, from: revision, count: 1, leader: leader})
	})
}

// confirmedOnLeader reads, and reads again on the leading node before it returns that
// something is missing or invalid. A connection to a node that led until a moment ago can
// return old data, and an order given up because of that would be lost.
func confirmedOnLeader[T any](read func(leader bool) (T, error)) (T, error) {
	found, err := read(false)
	if _, invalid := errors.AsType[*order.InvalidError](err); invalid || isGone(err) {
		return read(true)
	}
	return found, err
}

func isGone(err error) bool { return errors.Is(err, ErrNotFound) || errors.Is(err, ErrDeleted) }

func mapGone(err error) error {
	if isGone(err) {
		return fmt.Errorf("%w: %w", order.ErrGone, err)
	}
	return err
}

// storedOrder is an order and the event that placed it.
type storedOrder struct {
	event Event
	order order.Placed
}

func (c *Client) findPlaced(ctx context.Context, stream string) (storedOrder, error) {
	found, err := confirmedOnLeader(func(leader bool) (storedOrder, error) { return c.scanPlaced(ctx, stream, leader) })
	if errors.Is(err, ErrNotFound) {
		err = c.notFoundOrDeleted(ctx, stream, err)
	}
	if err != nil {
		return storedOrder{}, fmt.Errorf("find order-placed: %w", err)
	}
	return found, nil
}

func (c *Client) scanPlaced(ctx context.Context, stream string, leader bool) (found storedOrder, err error) {
	var firstInvalid error // of the first event that cannot be decoded
	request := page{stream: stream, count: maxOrderEvents, leader: leader}
	err = c.read(ctx, request, func(e *kurrentdb.ResolvedEvent) (err error) {
		event := *eventOf(e.Event)
		if event.Type != order.TypePlaced && event.Type != order.TypePlacedAlias {
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
		return storedOrder{}, fmt.Errorf("%s: %w", stream, ErrNotFound)
	}
}

// notFoundOrDeleted distinguishes a softly deleted stream from one that never existed. A
// read finds neither, but the deletion leaves a marker in the stream's metadata. Without
// the right to read the metadata, it returns notFound.
func (c *Client) notFoundOrDeleted(ctx context.Context, stream string, notFound error) error {
	var marked bool
	err := c.read(ctx, page{stream: "$$" + stream, count: 1, last: true}, func(e *kurrentdb.ResolvedEvent) error {
		var metadata struct {
			TruncateBefore uint64 `json:"$tb"`
		}
		marked = json.Unmarshal(e.Event.Data, &metadata) == nil && metadata.TruncateBefore == math.MaxInt64
		return nil
	})
	switch {
	case err != nil && !isGone(err) && !errors.Is(err, ErrAccessDenied):
		return err
	case marked:
		return fmt.Errorf("%s: %w", stream, ErrDeleted)
	default:
		return notFound
	}
}

func decodePlaced(event Event) (order.Placed, error) {
	placed, err := order.DecodePlaced(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return order.Placed{}, fmt.Errorf("decode %s at %d: %w", event.Stream, event.Revision, err)
	}
	return placed, nil
}
