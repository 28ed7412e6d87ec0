package projection

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"orderflow/internal/backoff"
	"orderflow/internal/failpoint"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
)

const (
	// CallTimeout bounds one call to a store: a batch of a thousand rows on a busy disk.
	CallTimeout = 15 * time.Second

	// idleInterval is how long the stored position may lag behind a log without relevant
	// events. A restart reads that much again, but not every irrelevant event causes a
	// write.
	idleInterval = 5 * time.Second
)

// followBackoff is the backoff before following the log again.
var followBackoff = backoff.Exponential{Min: 100 * time.Millisecond, Max: 15 * time.Second}

// Events is the event log. The real implementation is kurrent.Client.
type Events interface {
	Follow(ctx context.Context, f kurrent.Follow, visit func(kurrent.Step) error) error
	PendingEvents(ctx context.Context, f kurrent.Follow, most int) (kurrent.Pending, error)
}

// Store stores the view. The real implementation is postgres.CustomerView.
type Store interface {
	Position(ctx context.Context, p postgres.Projection) (postgres.ViewPosition, error)
	Project(ctx context.Context, p postgres.Projection, from, to postgres.ViewPosition, changes []view.Change) error
}

// Projection applies the log to one view.
type Projection struct {
	name          postgres.Projection
	events        Events
	store         Store
	metrics       *Metrics
	logger        *slog.Logger
	untilCaughtUp bool // session returns once everything in the log is stored

	position postgres.ViewPosition // stored
	limit    int                   // of changes in a batch; 0 means maxBatch

	// Tracer makes a span for each event of a traced order. It must be set before Run. Nil
	// traces nothing.
	Tracer trace.Tracer

	end atomic.Pointer[context.CancelCauseFunc] // cancels the current or last session
}

// New returns the projection of the live view.
func New(events Events, store Store, m *Metrics, logger *slog.Logger) *Projection {
	return &Projection{name: postgres.ProjectionLive, events: events, store: store, metrics: m, logger: logger}
}

// Run follows the log while this replica leads, until ctx ends, and starts again after
// each error. It abandons a batch that is being stored when ctx ends: the batch is read
// again later.
func (p *Projection) Run(ctx context.Context, l Locks) {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		err := lead(ctx, l, "projector", p.logger, func(ctx context.Context) error {
			p.metrics.leader.Set(1)
			defer p.metrics.leader.Set(0)
			return p.session(ctx)
		})
		if ctx.Err() != nil {
			return
		}
		p.metrics.CountRetry(RetryFollow)
		if errors.Is(err, postgres.ErrPositionMoved) {
			p.logger.Info("view replaced or written by another projector, continuing from its position")
			failures = 0
		} else {
			p.logger.Warn("following the log ended, retrying", "error", err)
		}
		if time.Since(began) > followBackoff.Max {
			failures = 0 // it worked for a while: this is a new outage
		}
		_ = followBackoff.Wait(ctx, failures)
	}
}

// Ready returns an error until the view has been up to date once in this process.
func (p *Projection) Ready(context.Context) error {
	if !p.metrics.hasCaughtUp() {
		return errors.New("catching up")
	}
	return nil
}

// session follows the log from the view's position and returns the error that ends it. It
// returns nil if untilCaughtUp is set and the view has caught up.
func (p *Projection) session(ctx context.Context) (err error) {
	if p.position, err = p.store.Position(ctx, p.name); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	p.end.Store(&cancel)
	steps, batches := make(chan step, readAhead), make(chan batch)
	position := p.position // it moves with each batch that is stored
	go func() {
		defer close(steps)
		cancel(p.follow(ctx, position, steps))
	}()
	go func() {
		defer close(batches)
		gatherer{steps: steps, batches: batches, limit: cmp.Or(p.limit, maxBatch), whole: p.untilCaughtUp}.run(position)
	}()
	err = p.consume(ctx, batches)
	cancel(err)
	for range batches { // wait for the follower and the gatherer to end
		continue
	}
	return err
}

// follow reads and decodes the events after a position, concurrently with storing.
func (p *Projection) follow(ctx context.Context, from postgres.ViewPosition, steps chan<- step) error {
	after := kurrent.Position{Commit: from.Commit, Prepare: from.Prepare}
	return p.events.Follow(ctx, kurrent.Follow{Prefixes: view.Prefixes(), After: after}, func(s kurrent.Step) error {
		select {
		case steps <- stepOf(s):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
}

// consume stores batches until ctx ends, and then returns its cause.
func (p *Projection) consume(ctx context.Context, batches <-chan batch) error {
	for b := range batches {
		if err := p.storeBatch(ctx, b); err != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
		if b.caughtUp {
			p.metrics.caughtUp()
			if p.untilCaughtUp {
				return nil
			}
		}
	}
	return context.Cause(ctx)
}

// storeBatch stores a batch. If the database does not finish it in time, the first batch
// of the next session is half as large.
func (p *Projection) storeBatch(ctx context.Context, b batch) error {
	if b.to == p.position || b.events == 0 && !b.caughtUp && time.Since(p.metrics.storedAt()) < idleInterval {
		return nil
	}
	failpoint.Hit("projector.project.before")
	err := p.store.Project(ctx, p.name, p.position, b.to, b.changes)
	if err == nil {
		failpoint.Hit("projector.project.after")
	}
	if errors.Is(err, fulfillment.ErrInvalid) {
		err = p.storeOneByOne(ctx, b)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		p.limit = max(1, len(b.changes)/2)
	}
	if err != nil {
		return fmt.Errorf("store the view: %w", err)
	}
	p.limit = 0
	p.position = b.to
	p.metrics.stored(b)
	p.trace(ctx, b)
	return nil
}

// trace makes the spans of a batch that is stored: each event's span is in the trace of
// its order, from the time when the batch's first event arrived.
func (p *Projection) trace(ctx context.Context, b batch) {
	if p.Tracer == nil {
		return
	}
	for _, change := range b.changes {
		name, from := change.Source()
		if from.Traceparent == "" {
			continue
		}
		_, span := p.Tracer.Start(from.Context(ctx), "project "+name, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(b.began),
			trace.WithAttributes(
				attribute.String("messaging.system", "kurrentdb"),
				attribute.String("messaging.operation.name", "project"), attribute.String("messaging.operation.type", "process"),
				attribute.Int("messaging.batch.message_count", len(b.changes)),
			))
		span.End()
	}
}

// storeOneByOne stores the changes of a batch one at a time and skips those that the
// database rejects permanently, so that one invalid change does not block those after it.
func (p *Projection) storeOneByOne(ctx context.Context, b batch) error {
	for _, change := range b.changes {
		err := p.store.Project(ctx, p.name, p.position, p.position, []view.Change{change})
		switch {
		case errors.Is(err, fulfillment.ErrInvalid):
			p.metrics.refused.Inc()
			p.logger.ErrorContext(ctx, "skipping change that the database rejects", "order", change.OrderID, "error", err)
		case err != nil:
			return err
		}
	}
	return p.store.Project(ctx, p.name, p.position, b.to, nil)
}
