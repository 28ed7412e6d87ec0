package kurrent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// What a group has parked is a stream of links, and the server knows only a boundary in it: $tb, in the stream's metadata.
// What is below is gone, from the oldest on. Replaying moves it, and so does dropping.

// ReplayParked makes the server deliver what a group has parked again, the oldest first: what is numbered up to and
// including until. It answers when the server has begun. A group that does not exist is ErrNotFound.
//
// The server forgets a replayed event's place among the parked as soon as it has offered it, and keeps it in memory until a
// consumer has answered for it. So there should be one.
func (c *Client) ReplayParked(ctx context.Context, stream, group string, until uint64) error {
	if until >= math.MaxInt { // the client counts in int
		return fmt.Errorf("replay parked of %s::%s: %w: until is too large", stream, group, ErrInvalid)
	}
	err := c.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
		// The number to stop at is not replayed any more. At or below the boundary the server would count from there, and
		// set the boundary back: callers look at what is parked first.
		options := kurrentdb.ReplayParkedMessagesOptions{StopAt: int(until) + 1}
		return client.ReplayParkedMessages(ctx, stream, group, options)
	})
	if err != nil {
		return fmt.Errorf("replay parked of %s::%s: %w", stream, group, err)
	}
	return nil
}

// ParkedRange answers the numbers of the oldest and the newest event a group has parked, and whether there is any.
func (c *Client) ParkedRange(ctx context.Context, stream, group string) (first, last uint64, any bool, err error) {
	parked := parkedStream(stream, group)
	for _, end := range []struct {
		number *uint64
		page   page
	}{{&first, page{stream: parked, count: 1}}, {&last, page{stream: parked, count: 1, last: true}}} {
		any = false
		err := c.read(ctx, end.page, func(e *kurrentdb.ResolvedEvent) error {
			*end.number, any = e.OriginalEvent().EventNumber, true
			return nil
		})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return 0, 0, false, err
		}
		if !any {
			return 0, 0, false, nil
		}
	}
	return first, last, true, nil
}

// ParkedBoundary is where the boundary of a group's parked events was at some moment.
type ParkedBoundary struct {
	at       Expected                   // of the metadata's stream
	metadata map[string]json.RawMessage // all of it: other fields stay as they are
}

// ParkedBoundary reads the boundary, to be read before the events that are to be dropped.
func (c *Client) ParkedBoundary(ctx context.Context, stream, group string) (ParkedBoundary, error) {
	boundary := ParkedBoundary{at: NoStream(), metadata: map[string]json.RawMessage{}}
	err := c.read(ctx, page{stream: "$$" + parkedStream(stream, group), count: 1, last: true}, func(e *kurrentdb.ResolvedEvent) error {
		newest := eventOf(e.OriginalEvent())
		boundary.at = At(newest.Revision)
		var fields map[string]json.RawMessage
		if json.Unmarshal(newest.Data, &fields) == nil && fields != nil { // the server takes what it cannot read for none, too
			boundary.metadata = fields
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return ParkedBoundary{}, err
	}
	return boundary, nil
}

// DropParked gives up what a group has parked, up to and including until. It is ErrWrongRevision, and nothing has been
// dropped, when the boundary has moved since it was read. The events themselves stay in their streams.
func (c *Client) DropParked(ctx context.Context, stream, group string, seen ParkedBoundary, until uint64) error {
	fields := map[string]json.RawMessage{}
	for name, value := range seen.metadata {
		fields[name] = value
	}
	fields[truncateBefore] = strconv.AppendUint(nil, until+1, 10)
	data, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("drop parked of %s::%s: %w", stream, group, err)
	}
	_, err = c.Append(ctx, "$$"+parkedStream(stream, group), seen.at, NewEvent{ID: uuid.New(), Type: "$metadata", Data: data})
	return err
}

// KeepParkedAccess puts back what a replay takes off the metadata of the parked stream: the server writes that from
// scratch, and leaves an access list that names $admins alone. It waits until the server has done so, for as long as ctx
// lasts, and keeps the boundary that it finds. seen was read before the replay.
func (c *Client) KeepParkedAccess(ctx context.Context, stream, group string, seen ParkedBoundary) error {
	if !seen.hasMore() {
		return nil
	}
	ticker := time.NewTicker(parkedPoll)
	defer ticker.Stop()
	for {
		now, err := c.ParkedBoundary(ctx, stream, group)
		if err == nil && now.at != seen.at {
			err = c.putBack(ctx, stream, group, seen, now)
			if !errors.Is(err, ErrWrongRevision) {
				return err
			}
			err = nil // it moved again meanwhile
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the replay of %s::%s: %w", stream, group, ctx.Err())
		case <-ticker.C:
		}
	}
}

// parkedPoll is how often KeepParkedAccess looks whether a replay has come to its end.
const parkedPoll = 100 * time.Millisecond

const truncateBefore = "$tb"

// hasMore reports whether the metadata holds anything beside the boundary.
func (b ParkedBoundary) hasMore() bool {
	for name := range b.metadata {
		if name != truncateBefore {
			return true
		}
	}
	return false
}

func (c *Client) putBack(ctx context.Context, stream, group string, seen, now ParkedBoundary) error {
	fields := maps.Clone(seen.metadata)
	delete(fields, truncateBefore)
	if boundary, ok := now.metadata[truncateBefore]; ok {
		fields[truncateBefore] = boundary
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("restore the access to what %s::%s has parked: %w", stream, group, err)
	}
	_, err = c.Append(ctx, "$$"+parkedStream(stream, group), now.at, NewEvent{ID: uuid.New(), Type: "$metadata", Data: data})
	return err
}
