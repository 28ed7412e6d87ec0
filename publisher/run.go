package main

import (
	"context"
	"log/slog"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/subcommand"
)

const (
	storeTimeout      = 5 * time.Second // one call to a store
	concurrentAppends = 32              // connections to KurrentDB
	poolConnections   = 8               // to PostgreSQL: set-aside orders, checkpoints, pruning, metrics
)

func run(ctx context.Context, c subcommand.Call) error {
	if len(c.Args) > 0 {
		return program().Dispatch(ctx, c)
	}
	s, invalid := config.Load[settings](c.Environ)
	logger := s.Logger(c.Stderr)
	registry, err := ops.NewMetrics("publisher")
	if err != nil {
		return err
	}
	events, store, err := open(ctx, s.KurrentDB, s.Database, true, invalid, logger)
	if err != nil {
		return err
	}
	defer events.Close()
	defer store.Close()
	p := &publisher{
		events: events, store: store, slot: s.Database.Slot, window: s.Window, retention: s.Retention, intervals: defaultIntervals(),
		shutdownTimeout: s.Shutdown.Timeout, metrics: newMetrics(registry.Registry), logger: logger,
	}
	registry.Registry.MustRegister(gauges{p, logger})
	return ops.Run(ctx, ops.Options{
		Service: "publisher", Addr: s.Addr, Metrics: registry, Logger: logger,
		Ready: map[string]ops.Check{"postgres": store.Ping, "kurrentdb": events.Ping, "slot": p.ready},
	}, func(ctx context.Context, life *ops.Life) error {
		if err := life.Await(ctx, "postgres", store.CheckSchema, postgres.MayPass); err != nil {
			return err
		}
		life.Working()
		return p.run(ctx)
	})
}

// open creates the clients. Neither connects yet, so all errors in the settings are
// reported together; invalid holds the errors found before.
func open(
	ctx context.Context, k config.KurrentDB, d database, ownSessions bool, invalid error, logger *slog.Logger,
) (*kurrent.Client, *postgres.Store, error) {
	events, eventsErr := kurrent.Open(kurrent.Config{
		URL: k.URL, AllowPlaintext: k.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout, Connections: concurrentAppends,
	})
	store, storeErr := openStore(ctx, d, ownSessions, logger)
	if err := config.Merge(invalid, eventsErr, storeErr); err != nil {
		if events != nil {
			events.Close()
		}
		if store != nil {
			store.Close()
		}
		return nil, nil, err
	}
	return events, store, nil
}

func openStore(ctx context.Context, d database, ownSessions bool, logger *slog.Logger) (*postgres.Store, error) {
	return postgres.Open(ctx, postgres.Config{
		URL: d.URL, MaxConns: poolConnections, ApplicationName: "orderflow-publisher", OwnSessions: ownSessions,
		CallTimeout: storeTimeout, Logger: logger,
	})
}
