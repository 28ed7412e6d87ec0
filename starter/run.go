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

func run(ctx context.Context, args, environ []string, stderr io.Writer) error {
	if len(args) > 0 {
		return command(ctx, args, environ, stderr)
	}
	s, err := config.Load[settings](environ)
	if err != nil {
		return err
	}
	logger := s.Logger(stderr)
	registry, err := ops.NewMetrics("starter")
	if err != nil {
		return err
	}
	events, err := kurrent.Open(kurrent.Config{
		URL: s.URL, AllowPlaintext: s.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
	})
	if err != nil {
		return err
	}
	defer events.Close()
	options, err := temporalclient.Options("starter", logger, registry)
	if err != nil {
		return err
	}
	temporal, err := temporalclient.Dial(ctx, options, logger)
	if err != nil {
		return err
	}
	defer temporal.Close()
	b := &bridge{
		temporal: temporal, events: events, settings: s.subscription, concurrency: s.Concurrency,
		patience: s.MessageTimeout / 2, budget: s.Shutdown.Timeout, metrics: newMetrics(registry.Registry), logger: logger,
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
