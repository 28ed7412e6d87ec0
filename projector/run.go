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

	firstWait = 100 * time.Millisecond // before following again, doubling
	lastWait  = 15 * time.Second
)

func run(ctx context.Context, c subcommand.Call) error {
	if len(c.Args) > 0 {
		return program().Dispatch(ctx, c)
	}
	return opened(ctx, c, project)
}

func program() subcommand.Program {
	return subcommand.Program{Name: "projector", Summary: "keep the customer view from the event streams", Commands: []subcommand.Command{
		{Name: "rebuild", Summary: "build the view anew beside the one that is read, and put it in its place", Run: rebuildView},
	}}
}

func rebuildView(ctx context.Context, c subcommand.Call) error {
	if _, err := c.Parse(flag.NewFlagSet(c.Name, flag.ContinueOnError)); err != nil {
		return err
	}
	return opened(ctx, c, func(ctx context.Context, _ settings, events *kurrent.Client, store *postgres.Store, logger *slog.Logger) error {
		return rebuild(ctx, events, store, logger)
	})
}

// job is what is done with the drivers.
type job func(ctx context.Context, s settings, events *kurrent.Client, store *postgres.Store, logger *slog.Logger) error

// opened does a job with drivers that are closed after it.
func opened(ctx context.Context, c subcommand.Call, do job) error {
	s, invalid := config.Load[settings](c.Environ)
	logger := s.Logger(c.Stderr)
	events, eventsErr := kurrent.Open(kurrent.Config{
		URL: s.Kurrent.URL, AllowPlaintext: s.Kurrent.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
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

// project keeps the view that is read until ctx ends.
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
		go p.watch(ctx, lagEvery, events)
		if err := life.Await(ctx, "postgres", store.CheckSchema, postgres.MayPass); err != nil {
			return err
		}
		life.Working()
		p.run(ctx, store, logger)
		return nil
	})
}

// run follows the log again and again until ctx ends. A batch that is being stored then is given up: it is taken again.
func (p *projection) run(ctx context.Context, l locks, logger *slog.Logger) {
	for wait := firstWait; ctx.Err() == nil; wait = min(2*wait, lastWait) {
		began := time.Now()
		err := lead(ctx, l, "projector", logger, p.session)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, postgres.ErrPositionMoved) {
			logger.Info("the view was replaced or written by another projector, going on from where it is")
			wait = firstWait
		} else {
			logger.Warn("following the log ended, following again", "error", err)
		}
		if time.Since(began) > lastWait {
			wait = firstWait // it worked for a while: this is a new outage
		}
		pause(ctx, wait)
	}
}

// rebuild builds the view anew beside the one that is read, and puts it in its place. One that is cut off is begun anew.
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
		name: postgres.ProjectionRebuild, events: events, store: store, metrics: newMetrics(prometheus.NewRegistry()), logger: logger, untilUp: true,
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
		logger.Warn("following the log ended, following again", "error", err)
		pause(ctx, time.Second)
	}
	failpoint.Hit("projector.rebuild.before")
	if err := store.FinishRebuild(ctx, p.position); err != nil {
		return err
	}
	failpoint.Hit("projector.rebuild.after")
	logger.Info("the view is rebuilt", "seconds", time.Since(began).Seconds())
	return nil
}

// ready answers whether the view was up to date since this process began.
func (p *projection) ready(context.Context) error {
	if !p.metrics.wasUp() {
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
