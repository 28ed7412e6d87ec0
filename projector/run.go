package main

import (
	"context"
	"io"
	"sync"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/projection"
	"orderflow/internal/tracing"
)

func run(ctx context.Context, environ []string, stderr io.Writer) error {
	s, invalid := config.Load[settings](environ)
	logger := ops.NewLogger(s.Log, stderr, "projector")
	registry, err := ops.NewMetrics("projector")
	if err != nil {
		return err
	}
	traces, tracesErr := tracing.Open(ctx, "projector", s.Tracing, logger)
	defer traces.Flush()
	events, eventsErr := kurrent.Open(kurrent.Config{
		URL: s.KurrentDB.URL, URLFile: s.KurrentDB.URLFile, AllowPlaintext: s.AllowPlaintext, Logger: logger, CallTimeout: projection.CallTimeout,
	})
	pool, poolErr := postgres.Open(ctx, postgres.Config{
		URL: s.Postgres.URL, URLFile: s.Postgres.URLFile,
		TracerProvider: traces.Provider(), MaxConns: 4, ApplicationName: "orderflow-projector", OwnSessions: true, CallTimeout: projection.CallTimeout,
		Logger: logger,
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
	metrics := projection.NewMetrics(registry.Registry)
	category := newCategoryGauges(events, metrics, logger)
	registry.Registry.MustRegister(category, pool.Collector(), events.Collector())
	p := projection.New(events, postgres.NewCustomerView(pool), metrics, logger)
	if traces.On() {
		p.Tracer = traces.Provider().Tracer("orderflow/projector")
	}
	return ops.Run(ctx, ops.Options{
		Service: "projector", Addr: s.Addr, Metrics: registry, Logger: logger,
		Await: []ops.Dependency{pool.Dependency()},
		Ready: map[string]ops.Check{"postgres": pool.Ping, "kurrentdb": events.Ping, "view": p.Ready},
	}, func(ctx context.Context) error {
		var watching sync.WaitGroup
		watching.Go(func() { p.Watch(ctx) })
		watching.Go(func() { category.run(ctx) })
		p.Run(ctx, pool)
		watching.Wait()
		return nil
	})
}
