package kurrent

import (
	"context"
	"fmt"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// Deletion is whether a stream can be read, and since when not.
type Deletion struct {
	Live bool      // it has events that can be read
	Last uint64    // the revision of the last of them
	At   time.Time // when it was deleted, on the server's clock; zero if it never existed, or was deleted permanently
}

// Deletion reads whether a stream was deleted, from the leading node. A stream that never
// existed is not live either.
func (c *Client) Deletion(ctx context.Context, stream string) (Deletion, error) {
	last, err := c.lastOnLeader(ctx, stream)
	switch {
	case err == nil:
		return Deletion{Live: true, Last: last.Revision}, nil
	case !IsGone(err):
		return Deletion{}, err
	}
	marker, err := c.lastOnLeader(ctx, "$$"+stream)
	if IsGone(err) {
		return Deletion{}, nil
	}
	return Deletion{At: marker.Created}, err
}

// Delete deletes a stream softly if its last event is at the expected revision. Its
// events can no longer be read from it, and a scavenge removes them. An event that is
// appended later begins the stream again, after them. Delete returns ErrWrongRevision if
// the stream has changed, and needs the right to delete, which only administrators have
// unless they grant it.
func (c *Client) Delete(ctx context.Context, stream string, expected Expected) error {
	err := c.callOnStream(ctx, stream, c.call, func(ctx context.Context, client *kurrentdb.Client) error {
		_, err := client.DeleteStream(ctx, stream, kurrentdb.DeleteStreamOptions{StreamState: expected.state()})
		return err
	})
	if err != nil {
		return fmt.Errorf("delete %s: %w", stream, err)
	}
	return nil
}

func (c *Client) lastOnLeader(ctx context.Context, stream string) (found Event, err error) {
	err = c.read(ctx, page{stream: stream, count: 1, last: true, leader: true}, func(e *kurrentdb.ResolvedEvent) error {
		found = *eventOf(e.Event)
		return nil
	})
	if err == nil && found.Type == "" {
		err = fmt.Errorf("read the end of %s: %w", stream, ErrNotFound)
	}
	return found, err
}
