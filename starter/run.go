package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

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
	bridges, err := newBridges(bridge.Options{
		KurrentDB:        source,
		Concurrency:      s.Subscription.Concurrency,
		DrainTimeout:     s.Shutdown.Timeout,
		SearchAttributes: workflows.Input{TotalHidden: s.Attributes.TotalHidden}.SearchAttributes(),
		Logger:           logger,
		MeterProvider:    registry.Provider,
		TracerProvider:   traces.Provider(),
	}, routes.Bridges(s.Subscription, temporal, options, streams.Orders{Client: events}, newAccounts(events, logger), s.Attributes))
	if err != nil {
		return err
	}
	registry.Registry.MustRegister(events.Collector())
	return ops.Run(ctx, ops.Options{
		Service: "starter", Addr: s.Addr, Metrics: registry, Logger: logger,
		Await: []ops.Dependency{temporalclient.Dependency(temporal, temporalclient.Namespace(options))},
		Ready: bridges.ready(map[string]ops.Check{"temporal": temporalclient.Verify(temporal, temporalclient.Namespace(options))}),
	}, bridges.run)
}

// newAccounts returns the accounts that are read to find orders on hold. Only those of
// customers whose credit was freed are, so fewer are kept than in a worker.
func newAccounts(events *kurrent.Client, logger *slog.Logger) *streams.CreditAccounts {
	return streams.NewCreditAccounts(streams.CreditAccountsConfig{Client: events, CacheSize: 256, CacheOrders: 50_000, Logger: logger})
}

// bridges are the starter's, by what its readiness calls them.
type bridges map[string]*bridge.Bridge

func newBridges(shared bridge.Options, all []routes.Bridge) (bridges, error) {
	made := bridges{}
	for _, each := range all {
		shared.Router, shared.Subscription = each.Router, each.Subscription
		b, err := bridge.New(shared)
		if err != nil {
			return nil, err
		}
		made[each.Name] = b
	}
	return made, nil
}

// ready adds a check of each bridge.
func (all bridges) ready(checks map[string]ops.Check) map[string]ops.Check {
	for name, b := range all {
		checks[name] = b.Ready
	}
	return checks
}

// run runs the bridges until ctx ends, and then lets all of them finish their events.
func (all bridges) run(ctx context.Context) error {
	var group errgroup.Group
	for _, b := range all {
		group.Go(func() error { return b.Run(ctx) })
	}
	return group.Wait()
}
