package main

import (
	"context"
	"io"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/tracing"
)

const (
	storeTimeout    = 5 * time.Second // one call to a store
	poolConnections = 8               // to PostgreSQL: set-aside orders, checkpoints, pruning, metrics
)

func run(ctx context.Context, environ []string, stderr io.Writer) error {
	s, invalid := config.Load[settings](environ)
	logger := ops.NewLogger(s.Log, stderr, "publisher")
	registry, err := ops.NewMetrics("publisher")
	if err != nil {
		return err
	}
	traces, tracesErr := tracing.Open(ctx, "publisher", s.Tracing, logger)
	defer traces.Flush()
	events, eventsErr := kurrent.Open(kurrent.Config{
		URL: s.KurrentDB.URL, URLFile: s.KurrentDB.URLFile, AllowPlaintext: s.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
		Connections: config.PublisherConnections,
	})
	pool, poolErr := postgres.Open(ctx, postgres.Config{
		URL: s.Postgres.URL, URLFile: s.Postgres.URLFile,
		TracerProvider: traces.Provider(), MaxConns: poolConnections, ApplicationName: "orderflow-publisher", OwnSessions: true,
		CallTimeout: storeTimeout, Logger: logger,
	})
	if eventsErr == nil {
		defer events.Close()
	}
	if poolErr == nil {
		defer pool.Close()
	}
	if err := config.Merge(invalid, tracesErr, eventsErr, poolErr); err != nil {
		return err
	}
	p := &publisher{
		events: events, publication: postgres.NewPublication(pool), history: postgres.NewHistory(pool),
		state: postgres.NewPublisherState(pool), slot: s.Slot.Name, window: s.Tuning.Window, retention: s.Retention, intervals: defaultIntervals(),
		shutdownTimeout: s.Shutdown.Timeout, metrics: newMetrics(registry.Registry), logger: logger,
		tracer: traces.Provider().Tracer("orderflow/publisher"),
	}
	registry.Registry.MustRegister(gauges{p}, pool.Collector(), events.Collector())
	return ops.Run(ctx, ops.Options{
		Service: "publisher", Addr: s.Addr, Metrics: registry, Logger: logger,
		Await: []ops.Dependency{pool.Dependency()},
		Ready: map[string]ops.Check{"postgres": pool.Ping, "kurrentdb": events.Ping, "slot": p.ready},
	}, p.run)
}
