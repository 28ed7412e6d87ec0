package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
)

const (
	firstRest = 100 * time.Millisecond // before another session, doubling
	lastRest  = 5 * time.Second
	askAgain  = time.Second // how often a lock that is taken is asked for
)

// publisher reads versions from PostgreSQL and has them published, in sessions: one lasts until the connection it reads
// from is lost, and the next goes on from what is confirmed.
type publisher struct {
	events    *kurrent.Client
	store     *postgres.Store
	slot      string
	window    int
	retention time.Duration // of published versions in the history; 0 is for ever
	pace      pace
	budget    time.Duration // for what is in flight when the publisher stops
	metrics   *metrics
	logger    *slog.Logger

	phase   atomic.Int32
	flight  atomic.Pointer[window] // of the session that publishes; nil without one
	failure atomic.Pointer[error]  // what ended the last session; nil before
	rebuild string                 // why the slot cannot go on from where it is; empty: it can
	rebuilt time.Time              // when a slot was last left because it could not be decoded
}

// pace is how often things are done that need not be done at once.
type pace struct {
	Confirm time.Duration // to tell the server how far we are
	Prune   time.Duration
}

func defaultPace() pace { return pace{Confirm: time.Second, Prune: 5 * time.Minute} }

// The phases of a session.
const (
	phaseConnecting int32 = iota
	phaseWaiting
	phaseSnapshot
	phaseStream
)

// run works until ctx ends, and returns nil then. It gives up only what an operator has to change: a *config.Error.
func (p *publisher) run(ctx context.Context) error {
	said := saying{logger: p.logger}
	for rest := firstRest; ctx.Err() == nil; rest = min(2*rest, lastRest) {
		began := time.Now()
		err := p.session(ctx)
		p.phase.Store(phaseConnecting)
		if _, misconfigured := errors.AsType[*config.Error](err); misconfigured {
			return err
		}
		p.leaveSlot(err)
		if err != nil && ctx.Err() == nil {
			p.failure.Store(&err)
			said.ended(p.slot, err)
		}
		if time.Since(began) > lastRest {
			rest = firstRest // it worked for a while: this is a new outage
		}
		pause(ctx, rest)
	}
	return nil
}

// session publishes until ctx ends or something breaks.
func (p *publisher) session(ctx context.Context) error {
	if _, err := p.store.CheckPublishing(ctx); err != nil {
		return err
	}
	link, err := p.store.OpenReplication(ctx, p.slot)
	if err != nil {
		return err
	}
	defer link.Close()
	if err := p.awaitTurn(ctx, link); err != nil {
		return err
	}
	mark, err := p.takeUp(ctx, link)
	if err != nil {
		return err
	}
	d := &desk{
		appender: appender{events: p.events, store: p.store}, metrics: p.metrics, logger: p.logger,
		outage: &outage{logger: p.logger, now: time.Now},
	}
	if err := d.load(ctx); err != nil {
		return err
	}
	if !mark.SnapshotDone {
		if mark, err = p.snapshot(ctx, d, mark); err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
	}
	return p.stream(ctx, d, link, mark)
}

// awaitTurn returns when no other publisher is at work on the slot.
func (p *publisher) awaitTurn(ctx context.Context, link *postgres.Replication) error {
	for said := false; ; said = true {
		got, err := link.Acquire(ctx)
		if got || err != nil {
			return err
		}
		p.phase.Store(phaseWaiting)
		if !said {
			p.logger.Info("another publisher is active: waiting for it to end", "slot", p.slot)
		}
		if pause(ctx, askAgain); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// ready answers whether this publisher is the one that is at work.
func (p *publisher) ready(context.Context) error {
	switch p.phase.Load() {
	case phaseConnecting:
		if failure := p.failure.Load(); failure != nil {
			return fmt.Errorf("not connected for replication: %w", *failure)
		}
		return errors.New("not connected for replication")
	case phaseWaiting:
		return errors.New("another publisher is active")
	default:
		return nil
	}
}

// errNotOurLag says that another publisher is active, and knows better.
var errNotOurLag = errors.New("another publisher is active")

// lag is the age of the oldest committed version that is neither published nor set aside, 0 when there is none. What is in
// flight is known here; all else is in the history above an id, which the mark holds for a session that has not begun. All
// times are the database's.
func (p *publisher) lag(ctx context.Context) (time.Duration, error) {
	if p.phase.Load() == phaseWaiting {
		return 0, errNotOurLag
	}
	if flight := p.flight.Load(); flight != nil {
		since, newest := flight.oldest()
		return p.store.HistoryLag(ctx, newest, since)
	}
	mark, _, err := p.store.FindMark(ctx, p.slot) // without one, nothing is known to be published
	if err != nil {
		return 0, err
	}
	return p.store.HistoryLag(ctx, mark.SnapshotID, time.Time{})
}

// fly makes lanes for a phase of the session, and tells the metrics of them until the returned function is called.
func (p *publisher) fly(d *desk, phase int32, mark postgres.Mark) (*lanes, func()) {
	l := newLanes(p.window, mark.SnapshotID, d.publish)
	p.flight.Store(l.window)
	p.phase.Store(phase)
	return l, func() { p.flight.Store(nil) }
}
