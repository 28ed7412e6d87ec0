package kurrent

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// Position is a place in the whole log. The zero position is before its first event.
type Position struct{ Commit, Prepare uint64 }

// Follow says which events of the whole log are followed: those of streams whose names begin with one of the prefixes,
// behind a position.
type Follow struct {
	Prefixes []string
	After    Position
}

// Step is how far the log has been followed: an event, or the word that there was none up to a position.
type Step struct {
	Event    *Event   // nil when there was none for us
	Position Position // everything up to here has been visited; the zero position when it is not said
	CaughtUp bool     // all there was has been sent: what comes from here on has just been written
}

// followWindow is after how many events that are left out the server says how far it has got.
const followWindow = 1_000

// Follow visits events of the whole log in the order in which they were written, and goes on with new ones until ctx ends,
// visit errs or the connection breaks: then follow again behind the last position. It returns visit's error as it is, and
// never nil. Links are left out. Reading $all takes a right that only administrators have unless they gave it: else it is
// ErrAccessDenied. The subscription has a connection of its own.
func (c *Client) Follow(ctx context.Context, f Follow, visit func(Step) error) error {
	lending, cancel := c.bounded(ctx)
	defer cancel()
	client, err := c.pool.get(lending)
	if err != nil {
		return fmt.Errorf("follow the log: %w", err)
	}
	c.pool.detach(client)
	defer closeClient(client)
	life, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(c.closing, func() { end(ErrClosed) })()
	var refused error // by visit
	err = guarded(life, client, func(life context.Context, client *kurrentdb.Client) error {
		subscription, err := subscribeToAll(life, client, f.options())
		if err != nil {
			return err
		}
		for {
			step, err := stepOf(subscription.Recv())
			if err != nil {
				return err
			}
			if refused = visit(step); refused != nil {
				return refused
			}
		}
	})
	if refused != nil {
		return refused
	}
	return fmt.Errorf("follow the log: %w", translate(life, err))
}

func (f Follow) options() kurrentdb.SubscribeToAllOptions {
	options := kurrentdb.SubscribeToAllOptions{
		From: kurrentdb.Start{}, MaxSearchWindow: followWindow, CheckpointInterval: 1,
		Filter: &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Prefixes: f.Prefixes},
	}
	if f.After != (Position{}) {
		options.From = kurrentdb.Position{Commit: f.After.Commit, Prepare: f.After.Prepare}
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
	case message.EventAppeared == nil: // servers before 25.1 say so without a time, which the client makes an empty message of
		return Step{CaughtUp: true}, nil
	}
	e := message.EventAppeared.OriginalEvent()
	if e == nil || e.Position.Commit == math.MaxUint64 {
		return Step{}, errors.New("event is without its position")
	}
	return Step{Event: eventOf(e), Position: Position{e.Position.Commit, e.Position.Prepare}}, nil
}

// Behind counts the events that are followed behind a position, and stops at most. It takes a connection and reads them.
func (c *Client) Behind(ctx context.Context, f Follow, most int) (behind int, err error) {
	err = c.Follow(ctx, f, func(step Step) error {
		if step.Event != nil {
			behind++
		}
		if step.CaughtUp || behind >= most {
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return behind, err
}
