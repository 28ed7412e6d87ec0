package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"orderflow/internal/config"
	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/subcommand"
)

const (
	storeTimeout = 15 * time.Second // one call to a store: a batch of a thousand rows on a busy disk

	minBackoff = 100 * time.Millisecond // before following again, doubling
	maxBackoff = 15 * time.Second
)

func run(ctx context.Context, c subcommand.Call) error {
	if len(c.Args) > 0 {
		return program().Dispatch(ctx, c)
	}
	return withDrivers(ctx, c, project)
}

func program() subcommand.Program {
	return subcommand.Program{Name: "projector", Summary: "maintain the customer view from the event streams", Commands: []subcommand.Command{
		{Name: "rebuild", Summary: "build a new view alongside the one in use, and replace it", Run: rebuildView},
	}}
}

func rebuildView(ctx context.Context, c subcommand.Call) error {
	if _, err := c.Parse(flag.NewFlagSet(c.Name, flag.ContinueOnError)); err != nil {
		return err
	}
	return withDrivers(ctx, c, func(ctx context.Context, _ settings, events *kurrent.Client, store *postgres.Store, logger *slog.Logger) error {
		return rebuild(ctx, events, store, logger)
	})
}

// job is a function that uses the drivers.
type job func(ctx context.Context, s settings, events *kurrent.Client, store *postgres.Store, logger *slog.Logger) error

// withDrivers calls do with open drivers, and closes them afterwards.
func withDrivers(ctx context.Context, c subcommand.Call, do job) error {
	s, invalid := config.Load[settings](c.Environ)
	logger := s.Logger(c.Stderr)
	events, eventsErr := kurrent.Open(kurrent.Config{
		URL: s.KurrentDB.URL, AllowPlaintext: s.KurrentDB.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
	})
	store, storeErr := postgres.Open(ctx, postgres.Config{
		URL: s.Postgres.URL, MaxConns: 4, ApplicationName: "orderflow-projector", OwnSessions: true, CallTimeout: storeTimeout, Logger: logger,
	})
	if eventsErr == nil {
		defer events.Close()
	}
	if storeErr == nil {
		defer store.Close()
	}
	if err := config.Merge(invalid, eventsErr, storeErr); err != nil {
		return err
	}
	return do(ctx, s, events, store, logger)
}

// project maintains the live view until ctx ends.
func project(ctx context.Context, s settings, events *kurrent.Client, store *postgres.Store, logger *slog.Logger) error {
	registry, err := ops.NewMetrics("projector")
	if err != nil {
		return err
	}
	p := &projection{
		name: postgres.ProjectionLive, events: events, store: store, metrics: newMetrics(registry.Registry), logger: logger,
	}
	return ops.Run(ctx, ops.Options{
		Service: "projector", Addr: s.Addr, Metrics: registry, Logger: logger,
		Ready: map[string]ops.Check{"postgres": store.Ping, "kurrentdb": events.Ping, "view": p.ready},
	}, func(ctx context.Context, life *ops.Life) error {
		go p.watch(ctx, lagInterval, events)
		if err := life.Await(ctx, "postgres", store.CheckSchema, postgres.MayPass); err != nil {
			return err
		}
		life.Working()
		p.run(ctx, store, logger)
		return nil
	})
}

// run follows the log until ctx ends, and starts again after each error. It abandons a
// batch that is being stored when ctx ends: the batch is read again later.
func (p *projection) run(ctx context.Context, l locks, logger *slog.Logger) {
	for backoff := minBackoff; ctx.Err() == nil; backoff = min(2*backoff, maxBackoff) {
		began := time.Now()
		err := lead(ctx, l, "projector", logger, p.session)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, postgres.ErrPositionMoved) {
			logger.Info("view replaced or written by another projector, continuing from its position")
			backoff = minBackoff
		} else {
			logger.Warn("following the log ended, retrying", "error", err)
		}
		if time.Since(began) > maxBackoff {
			backoff = minBackoff // it worked for a while: this is a new outage
		}
		pause(ctx, backoff)
	}
}

// rebuild builds a new view alongside the live one and replaces it. A rebuild that was
// interrupted starts again from the beginning.
func rebuild(ctx context.Context, events *kurrent.Client, store *postgres.Store, logger *slog.Logger) error {
	return lead(ctx, store, "projector rebuild", logger, func(ctx context.Context) error {
		return build(ctx, events, store, logger)
	})
}

func build(ctx context.Context, events *kurrent.Client, store *postgres.Store, logger *slog.Logger) error {
	if err := store.BeginRebuild(ctx); err != nil {
		return err
	}
	p := &projection{
		name: postgres.ProjectionRebuild, events: events, store: store, metrics: newMetrics(prometheus.NewRegistry()), logger: logger, untilCaughtUp: true,
	}
	began := time.Now()
	for {
		err := p.session(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil || !errors.Is(err, kurrent.ErrUnavailable) && !errors.Is(err, postgres.ErrUnavailable) {
			return fmt.Errorf("rebuild: %w", err)
		}
		logger.Warn("following the log ended, retrying", "error", err)
		pause(ctx, time.Second)
	}
	failpoint.Hit("projector.rebuild.before")
	if err := store.FinishRebuild(ctx, p.position); err != nil {
		return err
	}
	failpoint.Hit("projector.rebuild.after")
	logger.Info("view rebuilt", "seconds", time.Since(began).Seconds())
	return nil
}

// ready returns an error until the view has been up to date once in this process.
func (p *projection) ready(context.Context) error {
	if !p.metrics.hasCaughtUp() {
		return errors.New("catching up")
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
