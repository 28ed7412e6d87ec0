package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"

	"orderflow/activities"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/subcommand"
	"orderflow/workflows"
)

func run(ctx context.Context, c subcommand.Call) error {
	if len(c.Args) > 0 {
		return program().Dispatch(ctx, c)
	}
	s, invalid := config.Load[settings](c.Environ)
	logger := s.Logger(c.Stderr)
	d, err := openDrivers(ctx, s, invalid, logger)
	if err != nil {
		return err
	}
	defer d.close()
	start := newStartup(d.metrics.Registry, logger)
	server, err := ops.Start(ctx, ops.Options{Addr: s.Addr, Metrics: d.metrics, Logger: logger, Ready: start.checks(d)})
	if err != nil {
		return err
	}
	temporal, err := start.connect(ctx, d)
	if err != nil {
		if ctx.Err() != nil {
			err = nil // it was told to stop while it waited
		}
		return stopped(server, err)
	}
	defer temporal.Close()

	fatal := make(chan error, 2)
	pools := newPools(temporal, newActivities(s, d), s, func(err error) { fatal <- err })
	if err := pools.start(); err != nil {
		return stopped(server, fmt.Errorf("start worker: %w", err))
	}
	endMetrics := func() {}
	if server != nil { // a worker that serves no metrics leaves the lease to others
		endMetrics = startGlobalMetrics(ctx, temporal, d, logger)
	}
	start.finish()
	logger.Info("worker is running", "namespace", d.temporal.Namespace, "address", d.temporal.HostPort)
	select {
	case <-ctx.Done():
		err = nil
	case err = <-fatal:
	}
	logger.Info("worker is stopping")
	pools.stop()
	endMetrics()
	return stopped(server, err)
}

// startGlobalMetrics returns a function that ends the counting and waits for its end.
func startGlobalMetrics(ctx context.Context, temporal client.Client, d drivers, logger *slog.Logger) (end func()) {
	counts := []globalCount{unsettledEmails(d.store), stuckOrders(temporal, d.temporal.Namespace, workflows.Steps())}
	metrics := newGlobalMetrics(d.store, counts, d.metrics.Registry, logger)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		metrics.run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func newActivities(s settings, d drivers) *activities.Activities {
	return &activities.Activities{
		Credit: kurrent.NewCreditAccounts(kurrent.CreditAccountsConfig{
			Client: d.events, Terms: s.terms(), CacheSize: accountsCache,
		}),
		Orders:       d.events,
		Fulfillments: d.store,
		Published:    d.events,
		Emails:       d.store,
		Mailer:       d.mailer,
		Meter:        newEmailMeter(d.metrics.Registry),
		HoldFor:      s.Credit.Hold,
	}
}

// stopped closes the operations server last, so that a platform sees the worker as alive while it finishes its work.
func stopped(server *ops.Server, err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if shutdownErr := server.Shutdown(ctx); err == nil {
		err = shutdownErr
	}
	return err
}
