package main

import (
	"context"
	"io"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/temporalclient"
)

const storeTimeout = 5 * time.Second // one call to KurrentDB

func run(ctx context.Context, environ []string, stderr io.Writer) error {
	s, invalid := config.Load[settings](environ)
	logger := s.Logger(stderr)
	registry, err := ops.NewMetrics("starter")
	if err != nil {
		return err
	}
	events, eventsErr := kurrent.Open(kurrent.Config{
		URL: s.URL, AllowPlaintext: s.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
	})
	options, optionsErr := temporalclient.Options("starter", logger, registry)
	temporal, temporalErr := temporalclient.Open(options)
	if temporalErr == nil {
		defer temporal.Close()
	}
	if eventsErr == nil {
		defer events.Close()
	}
	if err := config.Merge(invalid, eventsErr, optionsErr, temporalErr); err != nil {
		return err
	}
	b := &bridge{
		temporal: temporal, namespace: temporalclient.Namespace(options), payloads: temporalclient.NewPayloads(options), events: events,
		settings: s.Subscription, concurrency: s.Subscription.Concurrency,
		holdLimit: s.Subscription.MessageTimeout / 2, drainTimeout: s.Shutdown.Timeout,
		probeEvery: probeInterval, inspectEvery: inspectionInterval,
		refusalSpan: attributesCached + retryBackoff.Max,
		metrics:     newMetrics(registry.Registry), logger: logger,
	}
	return ops.Run(ctx, ops.Options{
		Service: "starter", Addr: s.Addr, Metrics: registry, Logger: logger,
		Await: []ops.Dependency{temporalclient.Dependency(temporal, b.namespace)},
		Ready: map[string]ops.Check{"temporal": temporalclient.Check(temporal), "subscription": b.ready},
	}, b.run)
}
