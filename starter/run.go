package main

import (
	"context"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/subcommand"
	"orderflow/internal/temporalclient"
)

const storeTimeout = 5 * time.Second // one call to KurrentDB

func run(ctx context.Context, c subcommand.Call) error {
	if len(c.Args) > 0 {
		return program().Dispatch(ctx, c)
	}
	s, invalid := config.Load[settings](c.Environ)
	logger := s.Logger(c.Stderr)
	registry, err := ops.NewMetrics("starter")
	if err != nil {
		return err
	}
	events, eventsErr := kurrent.Open(kurrent.Config{
		URL: s.Subscription.URL, AllowPlaintext: s.Subscription.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
	})
	options, optionsErr := temporalclient.Options("starter", logger, registry)
	if err := config.Merge(invalid, eventsErr, optionsErr); err != nil {
		return err // nothing has connected yet, so nothing has to be closed
	}
	defer events.Close()
	temporal, err := temporalclient.Dial(ctx, options, logger)
	if err != nil {
		return err
	}
	defer temporal.Close()
	b := &bridge{
		temporal: temporal, namespace: temporalclient.Namespace(options), payloads: temporalclient.NewPayloads(options), events: events,
		settings: s.Subscription, concurrency: s.Concurrency,
		patience: s.Subscription.MessageTimeout / 2, budget: s.Shutdown.Timeout, probe: probeInterval, inspection: inspectionInterval,
		refusalSpan: attributesCached + lastWait,
		metrics:     newMetrics(registry.Registry), logger: logger,
	}
	server, err := ops.Start(ctx, ops.Options{Addr: s.Addr, Metrics: registry, Logger: logger, Ready: map[string]func(context.Context) error{
		"temporal": temporalclient.Check(temporal), "subscription": b.ready,
	}})
	if err != nil {
		return err
	}
	err = b.run(ctx)
	logger.Info("starter has stopped")
	shutdown, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if stopErr := server.Shutdown(shutdown); err == nil {
		err = stopErr
	}
	return err
}
