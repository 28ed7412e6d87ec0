package kurrent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// What a group has parked is a stream of links, and the server knows only a boundary in it: $tb, in the stream's metadata.
// What is below is gone, from the oldest on. Replaying moves it, and so does dropping.

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
	metadata, at, err := c.newestObject(ctx, "$$"+parkedStream(stream, group))
	if err != nil {
		return ParkedBoundary{}, err
	}
	return ParkedBoundary{at: at, metadata: metadata}, nil
}

// first is the number below which everything is replayed or dropped.
func (b ParkedBoundary) first() uint64 {
	first, err := strconv.ParseUint(string(b.metadata[truncateBefore]), 10, 64)
	if err != nil { // the server takes what it cannot read for none, too
		return 0
	}
	return first
}

// set changes one field of the metadata.
func (b *ParkedBoundary) set(field string, value json.RawMessage) {
	if b.metadata == nil {
		b.metadata = map[string]json.RawMessage{}
	}
	b.metadata[field] = value
}

const truncateBefore = "$tb"

// DropParked gives up what a group has parked, up to and including until. It is ErrWrongRevision when the boundary has moved
// since it was read, and ErrReplaying while a replay runs; nothing has been dropped then. The boundary never moves back: what
// is dropped stays so. The events themselves stay in their streams.
func (c *Client) DropParked(ctx context.Context, stream, group string, seen ParkedBoundary, until uint64) error {
	if seen.replaying() {
		return fmt.Errorf("drop parked of %s::%s: %w", stream, group, ErrReplaying)
	}
	moved := ParkedBoundary{at: seen.at, metadata: maps.Clone(seen.metadata)}
	delete(moved.metadata, replayClaim) // whose replay never ended
	moved.set(truncateBefore, strconv.AppendUint(nil, max(until+1, seen.first()), 10))
	_, err := c.writeParkedBoundary(ctx, stream, group, moved)
	return err
}
