package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"orderflow/internal/backoff"
	"orderflow/internal/kurrent"
	"orderflow/internal/temporalclient"
)

// retryBackoff is the backoff before joining, asking or applying an event again.
var retryBackoff = backoff.Exponential{Min: 100 * time.Millisecond, Max: 15 * time.Second}

// Bridge takes events from a group of a persistent subscription and applies the effect of
// each in Temporal. It acknowledges an event only after that, so the server redelivers it
// after any failure in between. Several bridges, in one process or many, may share a
// group.
type Bridge struct {
	o                Options
	events           *kurrent.Client
	metrics          *metrics
	state            *groupMetrics
	tracer           trace.Tracer
	joined           atomic.Bool
	obstacles        obstacles
	projectionDenied sync.Once // logs once that the user may not read the projection's status
	waiting          waitingEvents
}

// New returns a bridge that does not run yet. It returns an error that names every option
// out of range.
func New(o Options) (*Bridge, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	meter := o.MeterProvider.Meter(scope)
	m, err := newMetrics(meter, o.Router.Routes)
	if err != nil {
		return nil, err
	}
	state, err := newGroupMetrics(meter, o.Subscription)
	if err != nil {
		return nil, err
	}
	return &Bridge{o: o, events: o.KurrentDB.client, metrics: m, state: state, tracer: o.TracerProvider.Tracer(scope)}, nil
}

// errBlocked ends a session in which an obstacle keeps the bridge out of the group.
var errBlocked = errors.New("blocked by an obstacle")

// Run joins the group repeatedly until ctx ends, and then finishes the events in flight
// within DrainTimeout. It may be called once at a time. It returns nil: whatever fails is
// retried, logged and counted, and Ready says whether the bridge works.
func (b *Bridge) Run(ctx context.Context) error {
	defer b.obstacles.forget(b.metrics)
	measuring, end := context.WithCancel(ctx)
	var measurement sync.WaitGroup
	defer measurement.Wait()
	defer end()
	measurement.Go(func() { b.measure(measuring) })
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		if err := b.session(ctx); err != nil && ctx.Err() == nil {
			b.metrics.countJoinRetries(waitsFor(err), 1)
			if !errors.Is(err, errBlocked) { // obstacles are logged once
				b.o.Logger.Warn("rejoining subscription", "stream", b.o.Subscription.Stream, "group", b.o.Subscription.Group, "error", err)
			}
		}
		if time.Since(began) > retryBackoff.Max {
			failures = 0 // the session worked for a while, so this is a new outage
		}
		_ = retryBackoff.Wait(ctx, failures)
	}
	return nil
}

// waitsFor returns what the next session waits for, from the error of the last.
func waitsFor(err error) string {
	switch {
	case errors.Is(err, errBlocked):
		return waitOperator
	case errors.Is(err, errHeldTooLong):
		return waitTemporal
	default:
		return waitKurrentDB
	}
}

// session joins the group once. It returns when the subscription drops, when Temporal is
// unavailable for too long, or when ctx ends.
func (b *Bridge) session(ctx context.Context) error {
	if err := b.checkProjection(ctx); err != nil {
		return err
	}
	if err := b.ensureGroup(ctx); err != nil {
		return b.blockIfDenied(err, "as an operator or administrator, create the group with orderflow group create, or EnsureGroup of package bridge")
	}
	if err := b.awaitTemporal(ctx); err != nil {
		return err
	}
	// The server counts waiting events against what it delivers.
	buffer := b.o.Concurrency + b.o.waitingRoom() + b.o.waitingUpdates()
	sub, err := b.events.Join(ctx, b.o.Subscription.Stream, b.o.Subscription.Group, buffer)
	if err != nil {
		return b.blockIfDenied(err, joinRemedy(b.o.Subscription.Stream))
	}
	defer sub.Close()
	b.clearObstacle(obstacleRights)
	b.joined.Store(true)
	defer b.joined.Store(false)
	b.o.Logger.Info("joined subscription", "stream", b.o.Subscription.Stream, "group", b.o.Subscription.Group)
	return b.consume(ctx, sub)
}

func (b *Bridge) ensureGroup(ctx context.Context) error {
	differences, created, err := b.events.EnsureGroup(ctx, b.group())
	if err != nil {
		return err
	}
	if created {
		b.o.Logger.Info("group created", "stream", b.o.Subscription.Stream, "group", b.o.Subscription.Group)
	}
	for _, difference := range differences {
		if !difference.Loses {
			b.o.Logger.Warn("group settings differ, left unchanged", "group", b.o.Subscription.Group, "difference", difference.Text)
		}
	}
	return b.checkGroup(differences)
}

// blockIfDenied records an access error as an obstacle, with its remedy, and returns
// errBlocked. The bridge keeps trying. It returns any other error unchanged.
func (b *Bridge) blockIfDenied(err error, remedy string) error {
	if !errors.Is(err, kurrent.ErrAccessDenied) {
		return err
	}
	b.setObstacle(obstacleRights, fmt.Sprintf("%v: correct the credentials, or, %s", err, remedy))
	return errBlocked
}

// joinRemedy returns how a user gets the right to read a stream. The first event of a
// category opens its stream to all users.
func joinRemedy(stream string) string {
	remedy := "as an administrator, let their user read " + stream + " with orderflow group create --grant USER"
	if strings.HasPrefix(stream, categoryStream) {
		remedy += "; the first event of the category does the same"
	}
	return remedy
}

// checkGroup returns errBlocked if the group's settings lose or park good events.
func (b *Bridge) checkGroup(differences []kurrent.Difference) error {
	reason := b.group().LossReason(differences)
	b.setObstacle(obstacleGroup, reason)
	if reason != "" {
		return errBlocked
	}
	return nil
}

// group returns the settings that the group should have.
func (b *Bridge) group() kurrent.GroupSettings { return b.o.Subscription.settings() }

// awaitTemporal returns once Temporal can take events, so that the bridge stays out of
// the group until then.
func (b *Bridge) awaitTemporal(ctx context.Context) error {
	check := temporalclient.Check(b.o.Router.Temporal)
	for failures := 0; ; failures++ {
		err := check(ctx)
		if err == nil {
			err = b.checkNamespace(ctx)
		}
		if err == nil {
			return nil
		}
		if !temporalclient.NeedsOperator(err) { // an obstacle is logged once
			b.o.Logger.Warn("waiting for Temporal, events stay in KurrentDB", "error", err)
		}
		b.metrics.countJoinRetries(waitTemporal, 1)
		if err := retryBackoff.Wait(ctx, failures); err != nil {
			return err
		}
	}
}

// Joined reports whether the bridge has joined its group.
func (b *Bridge) Joined() bool { return b.joined.Load() }

// Ready returns an error unless the bridge has joined its group and nothing waits for an
// operator. Then the error says what, and how to repair it.
func (b *Bridge) Ready(context.Context) error {
	if err := b.obstacles.err(); err != nil {
		return err
	}
	if !b.joined.Load() {
		return errors.New("not joined")
	}
	return nil
}
