package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"orderflow/internal/failpoint"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
)

const (
	// maxBatch is how many changes are stored in one transaction, at most: while the log is read faster than that, the cost
	// of a commit is shared by that many.
	maxBatch = 1000

	// maxBatchBytes bounds the bodies that one transaction's changes were read from, and with them the memory.
	maxBatchBytes = 8 << 20

	// ahead bounds the steps that are read and not yet taken. An event may have 256 KiB.
	ahead = 128

	// quietMove is how far a position may lag behind a log that says nothing to the view: with it, a restart reads that
	// much again, and nothing is written for every stranger's event.
	quietMove = 5 * time.Second
)

// events is the log. The real one is kurrent.Client.
type events interface {
	Follow(ctx context.Context, f kurrent.Follow, visit func(kurrent.Step) error) error
}

// store keeps the view. The real one is postgres.Store.
type store interface {
	Position(ctx context.Context, p postgres.Projection) (postgres.ViewPosition, error)
	Project(ctx context.Context, p postgres.Projection, from, to postgres.ViewPosition, changes []view.Change) error
}

// projection takes the log into one view.
type projection struct {
	name    postgres.Projection
	events  events
	store   store
	metrics *metrics
	logger  *slog.Logger
	untilUp bool // end when all there was is stored, instead of going on

	position postgres.ViewPosition // stored
	limit    int                   // of changes in a batch; 0: maxBatch

	end atomic.Pointer[context.CancelCauseFunc] // of the session that is under way, or was last
}

// session follows the log from where the view is until something ends that, which is its error: nil when untilUp was
// wanted and reached.
func (p *projection) session(ctx context.Context) (err error) {
	if p.position, err = p.store.Position(ctx, p.name); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	p.end.Store(&cancel)
	steps := make(chan step, ahead)
	go func() {
		defer close(steps)
		cancel(p.follow(ctx, steps))
	}()
	err = p.consume(ctx, steps)
	cancel(err)
	for range steps { // until the follower has ended
		continue
	}
	return err
}

// follow reads and decodes beside the storing.
func (p *projection) follow(ctx context.Context, steps chan<- step) error {
	after := kurrent.Position{Commit: p.position.Commit, Prepare: p.position.Prepare}
	return p.events.Follow(ctx, kurrent.Follow{Prefixes: view.Prefixes(), After: after}, func(s kurrent.Step) error {
		select {
		case steps <- stepOf(s):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
}

// consume gathers what there is and stores it, again and again: a batch is as long as what came while the last one was
// stored, so a busy log makes long ones and a quiet one is stored at once.
func (p *projection) consume(ctx context.Context, steps <-chan step) error {
	for {
		b, err := gather(ctx, steps, p.position, cmp.Or(p.limit, maxBatch))
		if err != nil {
			return err
		}
		if err := p.take(ctx, b); err != nil {
			return err
		}
		if b.caughtUp {
			p.metrics.caughtUp()
			if p.untilUp {
				return nil
			}
		}
	}
}

// take stores a batch. One that the database does not get done in time is made smaller the next time, and grows again.
func (p *projection) take(ctx context.Context, b batch) error {
	if b.to == p.position || b.events == 0 && !b.caughtUp && time.Since(p.metrics.storedAt()) < quietMove {
		return nil
	}
	failpoint.Hit("projector.project.before")
	err := p.store.Project(ctx, p.name, p.position, b.to, b.changes)
	if err == nil {
		failpoint.Hit("projector.project.after")
	}
	if errors.Is(err, fulfillment.ErrInvalid) {
		err = p.sift(ctx, b)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		p.limit = max(1, len(b.changes)/2)
	}
	if err != nil {
		return fmt.Errorf("store the view: %w", err)
	}
	p.limit = min(maxBatch, 2*cmp.Or(p.limit, maxBatch))
	p.position = b.to
	p.metrics.stored(b)
	return nil
}

// sift stores the changes of a batch one by one and leaves out those that the database never takes: one that slipped through
// must not keep the view from what comes after it.
func (p *projection) sift(ctx context.Context, b batch) error {
	for _, change := range b.changes {
		err := p.store.Project(ctx, p.name, p.position, p.position, []view.Change{change})
		switch {
		case errors.Is(err, fulfillment.ErrInvalid):
			p.metrics.refused.Inc()
			p.logger.Error("a change cannot be stored and is left out", "order", change.OrderID, "error", err)
		case err != nil:
			return err
		}
	}
	return p.store.Project(ctx, p.name, p.position, b.to, nil)
}

// step is how far the log was read, and what was said there.
type step struct {
	position kurrent.Position // zero when it is not said
	change   *view.Change     // nil when nothing was said to the view
	written  time.Time        // of the event; zero when there was none
	size     int              // of the event's body, in bytes
	caughtUp bool
}

func stepOf(s kurrent.Step) step {
	next := step{position: s.Position, caughtUp: s.CaughtUp}
	if s.Event == nil {
		return next
	}
	next.written, next.size = s.Event.Created, len(s.Event.Data)
	change, says := view.Decode(view.Event{
		Stream: s.Event.Stream, Revision: s.Event.Revision, Type: s.Event.Type, ContentType: s.Event.ContentType,
		Data: s.Event.Data, Written: s.Event.Created,
	})
	if says {
		next.change = &change
	}
	return next
}

// batch is what is stored in one transaction.
type batch struct {
	changes  []view.Change
	size     int // of the bodies they were read from, in bytes
	events   int
	to       postgres.ViewPosition
	caughtUp bool
}

func (b *batch) full(limit int) bool {
	return len(b.changes) >= limit || b.size >= maxBatchBytes || b.caughtUp
}

// gather waits for a step and takes those that are there already.
func gather(ctx context.Context, steps <-chan step, from postgres.ViewPosition, limit int) (batch, error) {
	b := batch{to: from}
	next, open := <-steps
	if !open {
		return b, context.Cause(ctx)
	}
	for open {
		b.add(next)
		if b.full(limit) {
			break
		}
		select {
		case next, open = <-steps:
		default:
			return b, nil
		}
	}
	return b, nil // when the log has ended, what there was is stored first
}

func (b *batch) add(s step) {
	b.caughtUp = b.caughtUp || s.caughtUp
	if s.position != (kurrent.Position{}) {
		b.to.Commit, b.to.Prepare = s.position.Commit, s.position.Prepare
	}
	if s.written.IsZero() {
		return
	}
	b.events++
	b.size += s.size
	b.to.EventAt = s.written
	if s.change != nil {
		b.changes = append(b.changes, *s.change)
	}
}
