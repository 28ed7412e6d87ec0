package kurrent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// Position is a position in the whole log. The zero position is before its first event.
type Position struct{ Commit, Prepare uint64 }

// Follow selects the events of the whole log to follow: those in streams whose names
// begin with one of the prefixes, after a position.
type Follow struct {
	Prefixes []string
	After    Position
}

// Step is progress through the log: an event, or a notice that there was none up to a
// position.
type Step struct {
	Event    *Event   // nil if there was no selected event
	Position Position // everything up to here has been visited; zero if unknown
	CaughtUp bool     // every existing event has been sent: later ones are new
}

// followWindow is the number of skipped events after which the server reports its
// position: often enough that it is not taken for dead, seldom enough not to matter.
const followWindow = 1_000

// noLimit is the longest wait for a message: a server may have nothing to send.
const noLimit = time.Duration(math.MaxInt64)

// Follow visits events of the whole log in the order in which they were written, then new
// ones as they are written, until ctx ends, visit returns an error, or the connection
// breaks. The caller then follows again from the last position. Follow returns visit's
// error unchanged, and never returns nil. Links are skipped. It returns ErrAccessDenied
// without the right to read $all, which only administrators have unless they grant it.
// The subscription has a connection of its own.
func (c *Client) Follow(ctx context.Context, f Follow, visit func(Step) error) error {
	var visitErr error
	err := c.follow(ctx, f.options(), noLimit, func(step Step) bool {
		visitErr = visit(step)
		return visitErr == nil
	})
	if visitErr != nil {
		return visitErr
	}
	return fmt.Errorf("follow the log: %w", err)
}

// CountEvents counts the selected events after a position, up to most. It opens a
// connection and reads them.
func (c *Client) CountEvents(ctx context.Context, f Follow, most int) (int, error) {
	found, err := c.PendingEvents(ctx, f, most)
	return found.Count, err
}

// Pending are events that have not been processed yet.
type Pending struct {
	Count  int
	Oldest time.Time // when the oldest was written; zero if there is none
}

// PendingEvents is like CountEvents, and returns when the first of them was written too.
func (c *Client) PendingEvents(ctx context.Context, f Follow, most int) (found Pending, err error) {
	err = c.follow(ctx, f.options(), noLimit, func(step Step) bool {
		if step.Event != nil {
			if found.Count == 0 {
				found.Oldest = step.Event.Created
			}
			found.Count++
		}
		return !step.CaughtUp && found.Count < most
	})
	if err != nil {
		return found, fmt.Errorf("follow the log: %w", err)
	}
	return found, nil
}

// follow reads the log on a connection of its own, and visits each step until visit
// returns false. It returns an error if the subscription ends before that, or if the
// server sends no message for as long as silence.
func (c *Client) follow(
	ctx context.Context, options kurrentdb.SubscribeToAllOptions, silence time.Duration, visit func(Step) (more bool),
) error {
	dialCtx, cancel := c.withDeadline(ctx)
	defer cancel()
	client, err := c.pool.get(dialCtx)
	if err != nil {
		return err
	}
	c.pool.detach(client)
	defer closeClient(client)
	subCtx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(c.closing, func() { end(ErrClosed) })()
	// The client's calls have no deadline of their own. Visiting happens between them and
	// may take any time.
	waiting := time.AfterFunc(silence, func() { end(fmt.Errorf("%w: no message from the server", ErrUnavailable)) })
	defer waiting.Stop()
	err = recoverPanics(subCtx, client, func(subCtx context.Context, client *kurrentdb.Client) error {
		subscription, err := subscribeToAll(subCtx, client, options)
		if err != nil {
			return err
		}
		for {
			message := subscription.Recv()
			waiting.Stop()
			step, err := stepOf(message)
			if err != nil || !visit(step) {
				return err
			}
			waiting.Reset(silence)
		}
	})
	return translate(subCtx, err)
}

func (f Follow) options() kurrentdb.SubscribeToAllOptions {
	return followOptions(f.After, &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Prefixes: f.Prefixes})
}

func followOptions(after Position, filter *kurrentdb.SubscriptionFilter) kurrentdb.SubscribeToAllOptions {
	options := kurrentdb.SubscribeToAllOptions{
		From: kurrentdb.Start{}, MaxSearchWindow: followWindow, CheckpointInterval: 1, Filter: filter,
	}
	if after != (Position{}) {
		options.From = kurrentdb.Position{Commit: after.Commit, Prepare: after.Prepare}
	}
	return options
}

func stepOf(message *kurrentdb.SubscriptionEvent) (Step, error) {
	switch {
	case message.SubscriptionDropped != nil:
		return Step{}, message.SubscriptionDropped.Error
	case message.CheckPointReached != nil:
		return Step{Position: Position{message.CheckPointReached.Commit, message.CheckPointReached.Prepare}}, nil
	case message.FellBehind != nil:
		return Step{}, nil
	case message.EventAppeared == nil:
		// Caught up. Servers before 25.1 send that without a time, and the client then
		// returns an empty message.
		return Step{CaughtUp: true}, nil
	}
	e := message.EventAppeared.OriginalEvent()
	if e == nil || e.Position.Commit == math.MaxUint64 {
		return Step{}, errors.New("event has no position")
	}
	return Step{Event: eventOf(e), Position: positionOf(e)}, nil
}

func positionOf(e *kurrentdb.RecordedEvent) Position {
	return Position{e.Position.Commit, e.Position.Prepare}
}
