package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"orderflow/internal/backoff"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/publish"
	"orderflow/publisher/internal/inflight"
)

// lockPollInterval is the time between attempts to take a lock that is held.
const lockPollInterval = time.Second

// sessionBackoff is the backoff before the next session.
var sessionBackoff = backoff.Exponential{Min: 100 * time.Millisecond, Max: 5 * time.Second}

// publisher reads versions from PostgreSQL and publishes them, in sessions. A session
// lasts until its replication connection is lost. The next one continues from the
// confirmed position.
type publisher struct {
	events          *kurrent.Client
	publication     *postgres.Publication
	history         *postgres.History
	state           *postgres.PublisherState
	slot            string
	window          int
	retention       time.Duration // of published versions in the history; 0 keeps all
	intervals       intervals
	shutdownTimeout time.Duration // for what is in flight when the publisher stops
	metrics         *metrics
	logger          *slog.Logger
	tracer          trace.Tracer

	phase   atomic.Int32
	current atomic.Pointer[inflight.Versions] // of the phase that runs; nil if there is none
	failure atomic.Pointer[error]             // what ended the last session; nil before the first end
	rebuild string                            // why the slot cannot continue; empty if it can
	rebuilt time.Time                         // when a slot was last replaced because it could not be decoded
}

// intervals are the intervals of periodic work.
type intervals struct {
	Confirm time.Duration // between confirmations to the server
	Prune   time.Duration
}

func defaultIntervals() intervals { return intervals{Confirm: time.Second, Prune: 5 * time.Minute} }

// The phases of a session.
const (
	phaseConnecting int32 = iota
	phaseWaiting
	phaseSnapshot
	phaseStream
)

// run publishes until ctx ends, and then returns nil. It returns early only with a
// *config.Error, which an operator must fix.
func (p *publisher) run(ctx context.Context) error {
	sessions := sessionLog{logger: p.logger}
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		err := p.session(ctx)
		p.phase.Store(phaseConnecting)
		if _, misconfigured := errors.AsType[*config.Error](err); misconfigured {
			return err
		}
		p.noteUnusableSlot(err)
		if err != nil && ctx.Err() == nil {
			p.failure.Store(&err)
			p.metrics.retries.WithLabelValues(retrySession).Inc()
			sessions.ended(p.slot, err)
		}
		if time.Since(began) > sessionBackoff.Max {
			failures = 0 // the session worked for a while: this is a new outage
		}
		_ = sessionBackoff.Wait(ctx, failures)
	}
	return nil
}

// session publishes until ctx ends or an error occurs.
func (p *publisher) session(ctx context.Context) error {
	if _, err := p.publication.Check(ctx); err != nil {
		return err
	}
	replication, err := p.publication.OpenReplication(ctx, p.slot)
	if err != nil {
		return err
	}
	defer replication.Close()
	if err := p.acquireLock(ctx, replication); err != nil {
		return err
	}
	checkpoint, err := p.prepareSlot(ctx, replication)
	if err != nil {
		return err
	}
	vp := &versionPublisher{
		Appender: publish.Appender{Events: p.events, History: p.history}, state: p.state, metrics: p.metrics, logger: p.logger,
		outage: &outage{logger: p.logger, now: time.Now}, tracer: p.tracer,
	}
	if err := vp.loadSetAside(ctx); err != nil {
		return err
	}
	if !checkpoint.SnapshotDone {
		if checkpoint, err = p.snapshot(ctx, vp, checkpoint); err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
	}
	return p.stream(ctx, vp, replication, checkpoint)
}

// acquireLock waits until no other publisher works on the slot, and takes the slot's
// lock.
func (p *publisher) acquireLock(ctx context.Context, replication *postgres.Replication) error {
	for logged := false; ; logged = true {
		acquired, err := replication.Acquire(ctx)
		if acquired || err != nil {
			return err
		}
		p.phase.Store(phaseWaiting)
		if !logged {
			p.logger.Info("another publisher is active: waiting for leadership", "slot", p.slot)
		}
		if err := backoff.Sleep(ctx, lockPollInterval); err != nil {
			return err
		}
	}
}

// ready returns an error unless this publisher is the active one.
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

// errStandby means that another publisher is active, whose lag is the one that counts.
var errStandby = errors.New("another publisher is active")

// lag returns the age of the oldest committed version that is neither published nor set
// aside, or 0 if there is none. A session knows what is in flight. Everything else is in
// the history above an id; before a session has begun, the checkpoint holds that id. All
// times are the database's.
func (p *publisher) lag(ctx context.Context) (time.Duration, error) {
	if p.phase.Load() == phaseWaiting {
		return 0, errStandby
	}
	if inFlight := p.current.Load(); inFlight != nil {
		since, newest := inFlight.Oldest()
		return p.history.Lag(ctx, newest, since)
	}
	checkpoint, _, err := p.state.FindCheckpoint(ctx, p.slot) // if there is none, nothing is known to be published
	if err != nil {
		return 0, err
	}
	return p.history.Lag(ctx, checkpoint.SnapshotID, time.Time{})
}

// beginPhase returns an empty set of versions in flight for a phase of the session. The
// metrics report on it until the caller calls the returned function, which stops it.
func (p *publisher) beginPhase(
	ctx context.Context, vp *versionPublisher, phase int32, checkpoint postgres.Checkpoint,
) (inFlight *inflight.Versions, endPhase func()) {
	inFlight = inflight.New(ctx, p.window, checkpoint.SnapshotID, vp.publish)
	p.current.Store(inFlight)
	p.phase.Store(phase)
	return inFlight, func() {
		inFlight.Stop()
		p.current.Store(nil)
	}
}
