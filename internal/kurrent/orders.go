package kurrent

import (
	"context"
	"errors"
	"fmt"

	"orderflow/internal/order"
)

// maxOrderEvents is how far FindPlaced looks into an order's stream: it holds a handful of events.
const maxOrderEvents = 1000

// errFound ends a read that has found what it was for.
var errFound = errors.New("found")

// Body reads the order that a source stands for, from the one event it names. It is order.ErrGone when that event is no
// longer there or another one stands in its place, and an *order.InvalidError when it cannot be understood.
func (c *Client) Body(ctx context.Context, source order.Source) (order.Placed, error) {
	event, err := c.ReadEvent(ctx, source.Stream, source.Revision)
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrDeleted):
		return order.Placed{}, fmt.Errorf("%w: %w", order.ErrGone, err)
	case err != nil:
		return order.Placed{}, err
	case event.ID.String() != source.EventID:
		return order.Placed{}, fmt.Errorf("%w: read %s at %d: it is another event", order.ErrGone, source.Stream, source.Revision)
	}
	return decodePlaced(event)
}

// FirstPlaced reads the order that a stream was begun with. It is order.ErrGone when there is none.
func (c *Client) FirstPlaced(ctx context.Context, stream string) (order.Placed, error) {
	event, err := c.FindPlaced(ctx, stream)
	switch {
	case errors.Is(err, ErrNotFound):
		return order.Placed{}, fmt.Errorf("%w: %w", order.ErrGone, err)
	case err != nil:
		return order.Placed{}, err
	}
	return decodePlaced(event)
}

// FindPlaced reads a stream's first order-placed event. It is ErrNotFound when the stream has none, or is deleted.
func (c *Client) FindPlaced(ctx context.Context, stream string) (Event, error) {
	var placed Event
	err := c.ReadStream(ctx, stream, 0, maxOrderEvents, func(e Event) error {
		if e.Type != order.TypePlaced && e.Type != order.TypePlacedAlias {
			return nil
		}
		placed = e
		return errFound
	})
	switch {
	case errors.Is(err, errFound):
		return placed, nil
	case err == nil, errors.Is(err, ErrDeleted):
		return Event{}, fmt.Errorf("find order-placed in %s: %w", stream, ErrNotFound)
	default:
		return Event{}, fmt.Errorf("find order-placed: %w", err)
	}
}

// ReadLinkTarget reads the event that link points to, which may be back since the link came without it. It is ErrNotFound
// or ErrDeleted when it is gone, and ErrInvalid for an event that is no link.
func (c *Client) ReadLinkTarget(ctx context.Context, link Event) (Event, error) {
	stream, revision, ok := LinkTarget(link)
	if !ok {
		return Event{}, fmt.Errorf("%w: event %d of %s is no link", ErrInvalid, link.Revision, link.Stream)
	}
	return c.ReadEvent(ctx, stream, revision)
}

func decodePlaced(event Event) (order.Placed, error) {
	placed, err := order.DecodePlaced(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return order.Placed{}, fmt.Errorf("decode %s at %d: %w", event.Stream, event.Revision, err)
	}
	return placed, nil
}
