package kurrent

import (
	"context"
	"errors"
	"fmt"
	"math"

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
// position.
const followWindow = 1_000

// Follow visits events of the whole log in the order in which they were written, then new
// ones as they are written, until ctx ends, visit returns an error, or the connection
// breaks. The caller then follows again from the last position. Follow returns visit's
// error unchanged, and never returns nil. Links are skipped. It returns ErrAccessDenied
// without the right to read $all, which only administrators have unless they grant it.
// The subscription has a connection of its own.
func (c *Client) Follow(ctx context.Context, f Follow, visit func(Step) error) error {
	dialCtx, cancel := c.withDeadline(ctx)
	defer cancel()
	client, err := c.pool.get(dialCtx)
	if err != nil {
		return fmt.Errorf("follow the log: %w", err)
	}
	c.pool.detach(client)
	defer closeClient(client)
	subCtx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(c.closing, func() { end(ErrClosed) })()
	var visitErr error
	err = recoverPanics(subCtx, client, func(subCtx context.Context, client *kurrentdb.Client) error {
		subscription, err := subscribeToAll(subCtx, client, f.options())
		if err != nil {
			return err
		}
		for {
			step, err := stepOf(subscription.Recv())
			if err != nil {
				return err
			}
			if visitErr = visit(step); visitErr != nil {
				return visitErr
			}
		}
	})
	if visitErr != nil {
		return visitErr
	}
	return fmt.Errorf("follow the log: %w", translate(subCtx, err))
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
	case message.EventAppeared == nil:
		// Caught up. Servers before 25.1 send that without a time, and the client then
		// returns an empty message.
		return Step{CaughtUp: true}, nil
	}
	e := message.EventAppeared.OriginalEvent()
	if e == nil || e.Position.Commit == math.MaxUint64 {
		return Step{}, errors.New("event has no position")
	}
	return Step{Event: eventOf(e), Position: Position{e.Position.Commit, e.Position.Prepare}}, nil
}

// errEnough ends a count.
var errEnough = errors.New("enough")

// Behind counts the selected events after a position, up to most. It opens a connection
// and reads them.
func (c *Client) Behind(ctx context.Context, f Follow, most int) (behind int, err error) {
	err = c.Follow(ctx, f, func(step Step) error {
		if step.Event != nil {
			behind++
		}
		if step.CaughtUp || behind >= most {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return behind, err
}
