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

// maxOrderEvents is how far FindPlaced looks into an order's stream, which holds a handful of events. An order that comes
// later is not found: a stream of so many events before it is nobody's order.
const maxOrderEvents = 10_000

// errFound ends a read that has found what it was for.
var errFound = errors.New("found")

// Body reads the order that a source stands for, from the one event it names. It is order.ErrGone when that event is no
// longer there or another one stands in its place, and an *order.InvalidError when it cannot be understood.
func (c *Client) Body(ctx context.Context, source order.Source) (order.Placed, error) {
	event, err := believed(func(leader bool) (Event, error) {
		event, err := c.readEvent(ctx, page{stream: source.Stream, from: source.Revision, count: 1, leader: leader})
		if err == nil && event.ID.String() != source.EventID {
			err = fmt.Errorf("read %s at %d: it is another event: %w", source.Stream, source.Revision, ErrNotFound)
		}
		return event, err
	})
	if err != nil {
		return order.Placed{}, orGone(err)
	}
	return decodePlaced(event)
}

// FindPlaced reads the event that a stream's order was placed with: the first order-placed event that can be understood,
// among its first 10,000 events. One that cannot be was parked, and a corrected one may follow it. It is ErrNotFound when
// there is no order-placed event, ErrDeleted when the stream is deleted, softly or for ever, and the *order.InvalidError
// of the first one when none can be understood.
func (c *Client) FindPlaced(ctx context.Context, stream string) (Event, error) {
	found, err := c.findPlaced(ctx, stream)
	return found.event, err
}

// FirstCancellation reads the first request to cancel that can be understood among the 10,000 events of an order's stream
// behind the one it was placed with, and reports whether there is one. A stream that is deleted has none.
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

// ReadLinkTarget reads the event that link points to, which may be back since the link came without it. It is ErrNotFound
// or ErrDeleted when it is gone, and ErrInvalid for an event that is no link.
func (c *Client) ReadLinkTarget(ctx context.Context, link Event) (Event, error) {
	stream, revision, ok := LinkTarget(link)
	if !ok {
		return Event{}, fmt.Errorf("%w: event %d of %s is no link", ErrInvalid, link.Revision, link.Stream)
	}
	return believed(func(leader bool) (Event, error) {
		return c.readEvent(ctx, page{stream: stream, from: revision, count: 1, leader: leader})
	})
}

// believed reads, and takes no for an answer only from a second look at the leading node: a connection to a node that
// led until a moment ago can answer with what was there before, and an order given up for that is lost.
func believed[T any](read func(leader bool) (T, error)) (T, error) {
	found, err := read(false)
	if _, invalid := errors.AsType[*order.InvalidError](err); invalid || isGone(err) {
		return read(true)
	}
	return found, err
}

func isGone(err error) bool { return errors.Is(err, ErrNotFound) || errors.Is(err, ErrDeleted) }

func orGone(err error) error {
	if isGone(err) {
		return fmt.Errorf("%w: %w", order.ErrGone, err)
	}
	return err
}

// placement is an order and the event it was placed with.
type placement struct {
	event Event
	order order.Placed
}

func (c *Client) findPlaced(ctx context.Context, stream string) (placement, error) {
	found, err := believed(func(leader bool) (placement, error) { return c.scanPlaced(ctx, stream, leader) })
	if errors.Is(err, ErrNotFound) {
		err = c.orDeleted(ctx, stream, err)
	}
	if err != nil {
		return placement{}, fmt.Errorf("find order-placed: %w", err)
	}
	return found, nil
}

func (c *Client) scanPlaced(ctx context.Context, stream string, leader bool) (found placement, err error) {
	var refused error // of the first that cannot be understood
	request := page{stream: stream, count: maxOrderEvents, leader: leader}
	err = c.read(ctx, request, func(e *kurrentdb.ResolvedEvent) (err error) {
		event := *eventOf(e.Event)
		if event.Type != order.TypePlaced && event.Type != order.TypePlacedAlias {
			return nil
		}
		if found.order, err = decodePlaced(event); err != nil {
			refused = cmp.Or(refused, err)
			return nil
		}
		found.event = event
		return errFound
	})
	switch {
	case errors.Is(err, errFound):
		return found, nil
	case err != nil:
		return placement{}, err
	case refused != nil:
		return placement{}, refused
	default:
		return placement{}, fmt.Errorf("%s: %w", stream, ErrNotFound)
	}
}

// orDeleted tells a stream that was deleted softly from one that never was: a read finds neither, but the deletion leaves
// its mark in the stream's metadata. Without the right to read that, not found is all that can be said.
func (c *Client) orDeleted(ctx context.Context, stream string, notFound error) error {
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
