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

	"orderflow/internal/kurrent"
	"orderflow/internal/temporalclient"
)

const (
	firstWait = 100 * time.Millisecond // before joining or asking again, doubling
	lastWait  = 15 * time.Second
)

// bridge takes events from a persistent subscription and gives each its effect in Temporal. An event is acknowledged only
// after that, so whatever happens in between, the server hands it out again.
type bridge struct {
	temporal    client.Client
	namespace   string
	payloads    temporalclient.Payloads
	events      *kurrent.Client
	settings    subscription
	concurrency int
	patience    time.Duration // how long an event is held while Temporal does not answer, before the server gets it back
	budget      time.Duration // for what is in flight when the bridge stops
	probe       time.Duration // how often the server is asked about a subscription that delivers nothing
	refusalSpan time.Duration // how long an event is refused at least before it is parked, see attributesCached
	inspection  time.Duration // how often the server is asked whether anything keeps events from the subscription
	metrics     *metrics
	logger      *slog.Logger
	joined      atomic.Bool
	obstacles   obstacles
	mayNotAsk   sync.Once // to say that the projection cannot be asked about
	room        waitingRoom
}

// errBlocked ends a session that an obstacle keeps out of the group.
var errBlocked = errors.New("an obstacle stands in the way")

// run joins the group again and again until ctx ends, and then finishes what is in flight.
func (b *bridge) run(ctx context.Context) error {
	for wait := firstWait; ctx.Err() == nil; wait = min(2*wait, lastWait) {
		began := time.Now()
		if err := b.session(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, errBlocked) { // obstacles are logged once
			b.logger.Warn("subscription ended, joining again", "stream", b.settings.Stream, "group", b.settings.Group, "error", err)
		}
		if time.Since(began) > lastWait {
			wait = firstWait // it worked for a while: this is a new outage
		}
		pause(ctx, wait)
	}
	return nil
}

// session is one stay in the group: from joining until the subscription drops, Temporal is away for too long, or ctx ends.
func (b *bridge) session(ctx context.Context) error {
	if err := b.checkProjection(ctx); err != nil {
		return err
	}
	if err := b.ensureGroup(ctx); err != nil {
		return b.ifDenied(err, "as an operator or administrator, make the group with starter group create")
	}
	if err := b.awaitTemporal(ctx); err != nil {
		return err
	}
	// The server counts what waits aside against what it hands out.
	sub, err := b.events.Join(ctx, b.settings.Stream, b.settings.Group, 2*b.concurrency)
	if err != nil {
		return b.ifDenied(err, howToJoin(b.settings.Stream))
	}
	defer sub.Close()
	b.obstacles.found(obstacleRights, "", b.metrics, b.logger)
	b.joined.Store(true)
	defer b.joined.Store(false)
	b.logger.Info("joined", "stream", b.settings.Stream, "group", b.settings.Group)
	return b.consume(ctx, sub)
}

func (b *bridge) ensureGroup(ctx context.Context) error {
	differences, created, err := b.events.EnsureGroup(ctx, b.settings.group(b.concurrency))
	if err != nil {
		return err
	}
	if created {
		b.logger.Info("group created", "stream", b.settings.Stream, "group", b.settings.Group)
	}
	for _, difference := range differences {
		if !difference.Loses {
			b.logger.Warn("group is set differently, left as it is", "group", b.settings.Group, "difference", difference.Text)
		}
	}
	return b.judgeGroup(differences)
}

// ifDenied makes an obstacle of what the server denied the bridge, with what to do about it, and returns errBlocked. The
// bridge keeps trying. Any other error is returned as it is.
func (b *bridge) ifDenied(err error, remedy string) error {
	if !errors.Is(err, kurrent.ErrAccessDenied) {
		return err
	}
	b.obstacles.found(obstacleRights, fmt.Sprintf("%v: correct the credentials, or, %s", err, remedy), b.metrics, b.logger)
	return errBlocked
}

// howToJoin says how a user gets the right to read a stream. A category's stream opens to all users with its first event.
func howToJoin(stream string) string {
	remedy := "as an administrator, let their user read " + stream + " with starter group create --grant USER"
	if strings.HasPrefix(stream, "$ce-") {
		remedy += "; the first event of the category does the same"
	}
	return remedy
}

// judgeGroup returns errBlocked for a group in which good events are lost or parked.
func (b *bridge) judgeGroup(differences []kurrent.Difference) error {
	reason := losses(b.settings, differences)
	b.obstacles.found(obstacleGroup, reason, b.metrics, b.logger)
	if reason != "" {
		return errBlocked
	}
	return nil
}

// losses names the settings of a group that lose events, with what to do about them. It is empty if there are none.
func losses(s subscription, differences []kurrent.Difference) string {
	var all []string
	for _, d := range differences {
		if d.Loses {
			all = append(all, d.Text)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("group %s on %s loses events (%s): update it, or delete it and make it again with starter group create",
		s.Group, s.Stream, strings.Join(all, "; "))
}

// awaitTemporal keeps the bridge out of the group while it could do nothing with an event.
func (b *bridge) awaitTemporal(ctx context.Context) error {
	check := temporalclient.Check(b.temporal)
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		err := check(ctx)
		if err == nil {
			err = b.checkNamespace(ctx)
		}
		if err == nil {
			return nil
		}
		if !temporalclient.NeedsOperator(err) { // an obstacle is logged once
			b.logger.Warn("Temporal does not answer, events stay in KurrentDB", "error", err)
		}
		if pause(ctx, wait); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// ready returns nil if the bridge has joined its group and nothing keeps events from it.
func (b *bridge) ready(context.Context) error {
	if err := b.obstacles.err(); err != nil {
		return err
	}
	if !b.joined.Load() {
		return errors.New("not joined")
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
