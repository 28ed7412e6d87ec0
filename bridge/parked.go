package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/internal/kurrent"
)

// replayTimeout bounds the wait for the end of a replay.
const replayTimeout = 2 * time.Minute

var (
	// ErrNoConsumer is returned by Replay if no consumer has joined the group. Nothing was
	// replayed: the server takes replayed events out of the parked stream, and keeps them
	// only in memory until a consumer has acknowledged them.
	ErrNoConsumer = errors.New("no consumer has joined the group to take the events")

	// ErrNotParked is returned if the group has parked nothing, or nothing with the given
	// number.
	ErrNotParked = errors.New("not parked")
)

// ParkedEvent is an event that a group has parked.
type ParkedEvent struct {
	Number   uint64 // its position among all events the group ever parked, from 0
	Event    *Event // nil if it is gone from its stream
	Stream   string // the event's stream
	Revision uint64
	Reason   string    // as the bridge gave it, or the server's own
	At       time.Time // when it was parked, UTC
}

// ParkedEvents are the events that a group has parked. The server keeps a single boundary
// in them: replaying and dropping move it, from the oldest event on.
type ParkedEvents struct {
	client        *kurrent.Client
	stream, group string
}

// Parked returns the parked events of a group.
func (k *KurrentDB) Parked(stream, group string) ParkedEvents {
	return ParkedEvents{client: k.client, stream: stream, group: group}
}

// List visits parked events from a number on, oldest first: at most limit of them, or all
// if limit is 0. A group that has parked nothing, or does not exist, has none.
func (p ParkedEvents) List(ctx context.Context, from uint64, limit int, visit func(ParkedEvent) error) error {
	return p.client.ParkedFrom(ctx, p.stream, p.group, from, limit, func(parked kurrent.Parked) error {
		return visit(parkedOf(parked))
	})
}

func parkedOf(p kurrent.Parked) ParkedEvent {
	parked := ParkedEvent{Number: p.Number, Stream: p.Stream, Revision: p.Revision, Reason: p.Reason, At: p.At}
	if p.Event != nil {
		event := Event(*p.Event)
		parked.Event = &event
	}
	return parked
}

// Find returns one parked event, or ErrNotParked.
func (p ParkedEvents) Find(ctx context.Context, number uint64) (ParkedEvent, error) {
	var found *ParkedEvent
	err := p.List(ctx, number, 1, func(parked ParkedEvent) error {
		if parked.Number == number { // if that event is behind the boundary, the server returns the next one
			found = &parked
		}
		return nil
	})
	if err == nil && found == nil {
		err = fmt.Errorf("event %d: %w", number, ErrNotParked)
	}
	if err != nil {
		return ParkedEvent{}, err
	}
	return *found, nil
}

// Selection is the oldest parked events up to a number, as they were when they were
// selected. Replay and Drop do nothing if the parked events were replayed or dropped
// since.
type Selection struct {
	First, Last uint64

	boundary kurrent.ParkedBoundary
}

// Len returns how many numbers are selected. Each is an event that is parked, or one that
// its stream no longer has.
func (s Selection) Len() uint64 { return s.Last - s.First + 1 }

// Select selects all parked events. It returns ErrNotParked if there are none.
func (p ParkedEvents) Select(ctx context.Context) (Selection, error) {
	boundary, err := p.client.ParkedBoundary(ctx, p.stream, p.group) // before the range, so that no change goes unnoticed
	if err != nil {
		return Selection{}, err
	}
	first, last, found, err := p.client.ParkedRange(ctx, p.stream, p.group)
	if err == nil && !found {
		err = ErrNotParked
	}
	return Selection{First: first, Last: last, boundary: boundary}, err
}

// Until returns the selected events up to and including a number. It returns ErrNotParked
// if that number is not selected.
func (s Selection) Until(number uint64) (Selection, error) {
	if number < s.First || number > s.Last {
		return s, fmt.Errorf("event %d: %w", number, ErrNotParked)
	}
	s.Last = number
	return s, nil
}

// Replay delivers the selected events to the group's consumers again, and returns once
// the server has queued them. An event that still cannot take effect is parked again,
// with a new number. It returns ErrNoConsumer, ErrChanged or ErrReplaying if it has
// replayed nothing.
//
// The server then lets only administrators read the parked stream, so Replay restores its
// metadata. With any other error, what was replayed and restored is not known; the error
// has the metadata.
func (p ParkedEvents) Replay(ctx context.Context, s Selection) error {
	info, err := p.client.GroupInfo(ctx, p.stream, p.group)
	switch {
	case err != nil:
		return err
	case info.Consumers == 0:
		return ErrNoConsumer
	}
	ctx, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	claimed, asked := p.client.ReplayParked(ctx, p.stream, p.group, s.boundary, s.Last)
	if asked != nil && !claimed.Claimed() {
		return asked
	}
	left, err := p.client.AwaitReplay(ctx, p.stream, p.group, claimed) // a lost response does not matter if the end is seen
	switch {
	case err != nil:
		return fmt.Errorf("the replay was requested, but the parked stream's metadata was not restored; it was %s before: %w",
			claimed.Metadata(), errors.Join(asked, err))
	case left != s.Last+1:
		return fmt.Errorf("another replay or drop intervened, and the remaining events begin at number %d: list them again", left)
	}
	return nil
}

// Drop removes the selected events from the parked stream, permanently. The events
// themselves stay in their streams. It returns ErrChanged or ErrReplaying if it has
// dropped nothing.
func (p ParkedEvents) Drop(ctx context.Context, s Selection) error {
	return p.client.DropParked(ctx, p.stream, p.group, s.boundary, s.Last)
}
