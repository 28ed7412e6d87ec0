package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"

	"orderflow/internal/backoff"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/temporalclient"
)

// retryBackoff is the backoff before joining, asking or applying an event again.
var retryBackoff = backoff.Exponential{Min: 100 * time.Millisecond, Max: 15 * time.Second}

// bridge takes events from a persistent subscription and applies the effect of each in
// Temporal. It acknowledges an event only after that, so the server redelivers it after
// any failure in between.
type bridge struct {
	temporal         client.Client
	namespace        string
	payloads         temporalclient.Payloads
	events           *kurrent.Client
	settings         config.Subscription
	concurrency      int
	holdLimit        time.Duration // how long an event is held while Temporal does not answer, before it is returned to the server
	drainTimeout     time.Duration // for the events in flight when the bridge stops
	probeEvery       time.Duration // how often to ask the server about a subscription that delivers nothing
	refusalSpan      time.Duration // how long an event must be refused before it is parked, see attributesCached
	inspectEvery     time.Duration // how often to ask the server whether anything keeps events from the subscription
	metrics          *metrics
	logger           *slog.Logger
	joined           atomic.Bool
	obstacles        obstacles
	projectionDenied sync.Once // logs once that the user may not read the projection's status
	waiting          waitingEvents
}

// errBlocked ends a session in which an obstacle keeps the bridge out of the group.
var errBlocked = errors.New("blocked by an obstacle")

// run joins the group repeatedly until ctx ends, and then finishes the events in flight.
func (b *bridge) run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		if err := b.session(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, errBlocked) { // obstacles are logged once
			b.logger.Warn("rejoining subscription", "stream", b.settings.Stream, "group", b.settings.Group, "error", err)
		}
		if time.Since(began) > retryBackoff.Max {
			failures = 0 // the session worked for a while, so this is a new outage
		}
		_ = retryBackoff.Wait(ctx, failures)
	}
	return nil
}

// session joins the group once. It returns when the subscription drops, when Temporal is
// unavailable for too long, or when ctx ends.
func (b *bridge) session(ctx context.Context) error {
	if err := b.checkProjection(ctx); err != nil {
		return err
	}
	if err := b.ensureGroup(ctx); err != nil {
		return b.blockIfDenied(err, "as an operator or administrator, create the group with orderflow group create")
	}
	if err := b.awaitTemporal(ctx); err != nil {
		return err
	}
	// The server counts waiting events against what it delivers.
	sub, err := b.events.Join(ctx, b.settings.Stream, b.settings.Group, 2*b.concurrency)
	if err != nil {
		return b.blockIfDenied(err, joinRemedy(b.settings.Stream))
	}
	defer sub.Close()
	b.obstacles.set(obstacleRights, "", b.metrics, b.logger)
	b.joined.Store(true)
	defer b.joined.Store(false)
	b.logger.Info("joined subscription", "stream", b.settings.Stream, "group", b.settings.Group)
	return b.consume(ctx, sub)
}

func (b *bridge) ensureGroup(ctx context.Context) error {
	differences, created, err := b.events.EnsureGroup(ctx, b.group())
	if err != nil {
		return err
	}
	if created {
		b.logger.Info("group created", "stream", b.settings.Stream, "group", b.settings.Group)
	}
	for _, difference := range differences {
		if !difference.Loses {
			b.logger.Warn("group settings differ, left unchanged", "group", b.settings.Group, "difference", difference.Text)
		}
	}
	return b.checkGroup(differences)
}

// blockIfDenied records an access error as an obstacle, with its remedy, and returns
// errBlocked. The bridge keeps trying. It returns any other error unchanged.
func (b *bridge) blockIfDenied(err error, remedy string) error {
	if !errors.Is(err, kurrent.ErrAccessDenied) {
		return err
	}
	b.obstacles.set(obstacleRights, fmt.Sprintf("%v: correct the credentials, or, %s", err, remedy), b.metrics, b.logger)
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
func (b *bridge) checkGroup(differences []kurrent.Difference) error {
	reason := b.group().LossReason(differences)
	b.obstacles.set(obstacleGroup, reason, b.metrics, b.logger)
	if reason != "" {
		return errBlocked
	}
	return nil
}

// group returns the settings that the group should have.
func (b *bridge) group() kurrent.GroupSettings {
	return kurrent.GroupSettings{
		Stream: b.settings.Stream, Group: b.settings.Group, MessageTimeout: b.settings.MessageTimeout, BufferSize: b.concurrency,
	}
}

// awaitTemporal returns once Temporal can take events, so that the bridge stays out of
// the group until then.
func (b *bridge) awaitTemporal(ctx context.Context) error {
	check := temporalclient.Check(b.temporal)
	for failures := 0; ; failures++ {
		err := check(ctx)
		if err == nil {
			err = b.checkNamespace(ctx)
		}
		if err == nil {
			return nil
		}
		if !temporalclient.NeedsOperator(err) { // an obstacle is logged once
			b.logger.Warn("waiting for Temporal, events stay in KurrentDB", "error", err)
		}
		if err := retryBackoff.Wait(ctx, failures); err != nil {
			return err
		}
	}
}

// ready returns an error unless the bridge has joined its group and no obstacle is set.
func (b *bridge) ready(context.Context) error {
	if err := b.obstacles.err(); err != nil {
		return err
	}
	if !b.joined.Load() {
		return errors.New("not joined")
	}
	return nil
}
