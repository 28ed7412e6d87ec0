package kurrent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// A group's parked events are a stream of links. The server keeps a single boundary in
// it: $tb, in the stream's metadata. Everything below the boundary, from the oldest on,
// is gone. Replaying moves the boundary, and so does dropping.

// ParkedRange returns the numbers of the oldest and the newest event that a group has
// parked. It reports false if there is none.
func (c *Client) ParkedRange(ctx context.Context, stream, group string) (first, last uint64, found bool, err error) {
	parked := parkedStream(stream, group)
	for _, end := range []struct {
		number *uint64
		page   page
	}{{&first, page{stream: parked, count: 1}}, {&last, page{stream: parked, count: 1, last: true}}} {
		found = false
		err := c.read(ctx, end.page, func(e *kurrentdb.ResolvedEvent) error {
			*end.number, found = e.OriginalEvent().EventNumber, true
			return nil
		})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return 0, 0, false, err
		}
		if !found {
			return 0, 0, false, nil
		}
	}
	return first, last, true, nil
}

// ParkedBoundary is the boundary of a group's parked events as it was when it was read.
type ParkedBoundary struct {
	at       Expected                   // revision of the metadata stream
	metadata map[string]json.RawMessage // all fields: the others are kept unchanged
	written  time.Time                  // on the server's clock
}

// ParkedBoundary reads the boundary. Read it before the events that are to be dropped. It
// returns ErrMalformed if the server ignores the metadata that holds it.
func (c *Client) ParkedBoundary(ctx context.Context, stream, group string) (ParkedBoundary, error) {
	newest, err := c.readMetadata(ctx, parkedStream(stream, group))
	if err != nil {
		return ParkedBoundary{}, err
	}
	return newest.boundary(), nil
}

func (o object) boundary() ParkedBoundary {
	return ParkedBoundary{at: o.at, metadata: o.fields, written: o.written}
}

// first returns the number below which everything is replayed or dropped.
func (b ParkedBoundary) first() uint64 {
	first, err := strconv.ParseUint(string(b.metadata[truncateBefore]), 10, 64)
	if err != nil { // missing or negative, which the server treats as none
		return 0
	}
	return first
}

// otherFields returns the metadata without the boundary and without a claim.
func (b ParkedBoundary) otherFields() map[string]json.RawMessage {
	fields := maps.Clone(b.metadata)
	delete(fields, truncateBefore)
	delete(fields, replayClaim)
	return fields
}

// Metadata returns the metadata other than the boundary, as JSON.
func (b ParkedBoundary) Metadata() string {
	fields := b.otherFields()
	if len(fields) == 0 {
		return "{}"
	}
	text, _ := json.Marshal(fields) // decoded fields always marshal
	return string(text)
}

// set sets one field of the metadata.
func (b *ParkedBoundary) set(field string, value json.RawMessage) {
	if b.metadata == nil {
		b.metadata = map[string]json.RawMessage{}
	}
	b.metadata[field] = value
}

const truncateBefore = "$tb"

// DropParked drops a group's parked events, up to and including until. It returns
// ErrWrongRevision if the boundary has moved since it was read, and ErrReplaying while a
// replay runs; nothing has been dropped then. The boundary never moves back: a dropped
// event stays dropped. The events themselves remain in their streams.
func (c *Client) DropParked(ctx context.Context, stream, group string, seen ParkedBoundary, until uint64) error {
	if seen.replaying() {
		return fmt.Errorf("drop parked of %s::%s: %w", stream, group, ErrReplaying)
	}
	moved := ParkedBoundary{at: seen.at, metadata: maps.Clone(seen.metadata)}
	delete(moved.metadata, replayClaim) // its replay never ended
	moved.set(truncateBefore, strconv.AppendUint(nil, max(until+1, seen.first()), 10))
	_, err := c.writeParkedBoundary(ctx, stream, group, moved)
	return err
}
