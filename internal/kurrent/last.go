package kurrent

import (
	"context"
	"fmt"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// LastEvent reads the newest event of a stream. It returns ErrNotFound or ErrDeleted if
// there is none.
func (c *Client) LastEvent(ctx context.Context, stream string) (Event, error) {
	var found *Event
	err := c.read(ctx, page{stream: stream, count: 1, last: true}, func(e *kurrentdb.ResolvedEvent) error {
		found = eventOf(e.Event)
		return nil
	})
	if err == nil && found == nil {
		err = fmt.Errorf("read the end of %s: %w", stream, ErrNotFound)
	}
	if err != nil {
		return Event{}, err
	}
	return *found, nil
}
