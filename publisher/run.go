package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/subcommand"
)

const (
	storeTimeout    = 5 * time.Second // one call to a store
	appendsAtATime  = 32              // connections to KurrentDB
	poolConnections = 8               // to PostgreSQL: set aside, marks, pruning, metrics
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
	events, store, err := open(ctx, s.Kurrent, s.Postgres, true, invalid, logger)
	if err != nil {
		return err
	}
	defer events.Close()
	defer store.Close()
	p := &publisher{
		events: events, store: store, slot: s.Postgres.Slot, window: s.Window, retention: s.Retention, pace: defaultPace(),
		budget: s.Shutdown.Timeout, metrics: newMetrics(registry.Registry), logger: logger,
	}
	registry.Registry.MustRegister(gauges{p, logger})
	server, err := ops.Start(ctx, ops.Options{Addr: s.Addr, Metrics: registry, Logger: logger, Ready: map[string]func(context.Context) error{
		"postgres": store.Ping, "kurrentdb": events.Ping, "slot": p.ready,
	}})
	if err != nil {
		return err
	}
	if err = awaitSchema(ctx, store, logger); err == nil {
		err = p.run(ctx)
	}
	logger.Info("publisher has stopped")
	shutdown, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if stopErr := server.Shutdown(shutdown); err == nil {
		err = stopErr
	}
	return err
}

// open makes the drivers. Neither connects yet, so all that is wrong with the settings is found together; invalid is what
// was wrong with them before.
func open(
	ctx context.Context, k eventStore, d database, ownSessions bool, invalid error, logger *slog.Logger,
) (*kurrent.Client, *postgres.Store, error) {
	events, eventsErr := kurrent.Open(kurrent.Config{
		URL: k.URL, AllowPlaintext: k.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout, Connections: appendsAtATime,
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

// awaitSchema waits for the database as every session does: a publisher that starts beside it should not die for being
// first. A schema that is too old is another matter: somebody has to migrate.
func awaitSchema(ctx context.Context, store *postgres.Store, logger *slog.Logger) error {
	for wait := firstRest; ctx.Err() == nil; wait = min(2*wait, lastRest) {
		err := store.CheckSchema(ctx)
		if !errors.Is(err, postgres.ErrUnavailable) {
			return err
		}
		logger.Warn("PostgreSQL does not answer yet", "error", err)
		pause(ctx, wait)
	}
	return nil
}
