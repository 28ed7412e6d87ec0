package main

import (
	"context"
	"io"
	"time"

	"orderflow/bridge"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/routes"
	"orderflow/internal/streams"
	"orderflow/internal/temporalclient"
	"orderflow/internal/tracing"
	"orderflow/workflows"
)

const storeTimeout = 5 * time.Second // one call to KurrentDB

// settings are the starter's settings, read from the environment. The Temporal SDK reads
// its own variables.
type settings struct {
	config.Log
	config.Ops
	config.KurrentDB
	Tracing      config.Tracing
	Shutdown     config.Shutdown
	Subscription config.Subscription
	Payloads     config.Payloads
	Attributes   config.Attributes
}

func run(ctx context.Context, environ []string, stderr io.Writer) error {
	s, invalid := config.Load[settings](environ)
	logger := ops.NewLogger(s.Log, stderr, "starter")
	registry, err := ops.NewMetrics("starter")
	if err != nil {
		return err
	}
	traces, tracesErr := tracing.Open(ctx, "starter", s.Tracing, logger)
	defer traces.Flush()
	// The routes read orders on a connection of their own.
	events, eventsErr := kurrent.Open(kurrent.Config{
		URL: s.URL, URLFile: s.URLFile, AllowPlaintext: s.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
	})
	options, optionsErr := temporalclient.Options("starter", s.Payloads, logger, registry)
	if traces.On() {
		options.Interceptors = temporalclient.Tracing(traces.Provider())
	}
	temporal, temporalErr := temporalclient.Open(options)
	if temporalErr == nil {
		defer temporal.Close()
	}
	if eventsErr == nil {
		defer events.Close()
	}
	if err := config.Merge(invalid, tracesErr, eventsErr, optionsErr, temporalErr); err != nil {
		return err
	}
	source, err := bridge.Connect(s.URL, bridge.ConnectOptions{
		File: s.URLFile, AllowPlaintext: s.AllowPlaintext, CallTimeout: storeTimeout, Logger: logger,
	})
	if err != nil {
		return err
	}
	defer source.Close()
	b, err := bridge.New(bridge.Options{
		KurrentDB:        source,
		Router:           routes.New(temporal, options, streams.Orders{Client: events}, s.Attributes),
		Subscription:     routes.Subscription(s.Subscription),
		Concurrency:      s.Subscription.Concurrency,
		DrainTimeout:     s.Shutdown.Timeout,
		SearchAttributes: workflows.Input{TotalHidden: s.Attributes.TotalHidden}.SearchAttributes(),
		Logger:           logger,
		MeterProvider:    registry.Provider,
		TracerProvider:   traces.Provider(),
	})
	if err != nil {
		return err
	}
	registry.Registry.MustRegister(events.Collector())
	return ops.Run(ctx, ops.Options{
		Service: "starter", Addr: s.Addr, Metrics: registry, Logger: logger,
		Await: []ops.Dependency{temporalclient.Dependency(temporal, temporalclient.Namespace(options))},
		Ready: map[string]ops.Check{"temporal": temporalclient.Verify(temporal, temporalclient.Namespace(options)), "subscription": b.Ready},
	}, b.Run)
}
