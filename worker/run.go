package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"orderflow/activities"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/ses"
	"orderflow/internal/temporalclient"
)

const (
	storeTimeout  = 5 * time.Second  // one call to a store
	mailTimeout   = 10 * time.Second // one call to SES; below the attempt's 30 s, which is below the lease
	mailLease     = time.Minute      // how long an attempt owns its mail
	accountsCache = 1024             // credit accounts kept folded in memory
)

func run(ctx context.Context, args, environ []string, stderr io.Writer) error {
	if len(args) > 0 {
		return command(ctx, args, environ, stderr)
	}
	s, err := config.Load[settings](environ)
	if err != nil {
		return err
	}
	logger := s.Logger(stderr)
	metrics, err := ops.NewMetrics("worker")
	if err != nil {
		return err
	}
	events, err := kurrent.Open(kurrent.Config{
		URL: s.Kurrent.URL, AllowPlaintext: s.Kurrent.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
	})
	if err != nil {
		return err
	}
	defer events.Close()
	store, err := openStore(ctx, s, logger)
	if err != nil {
		return err
	}
	defer store.Close()
	mailer, err := ses.Open(ctx, ses.Config{From: s.Email.From, ConfigurationSet: s.Email.ConfigurationSet, Timeout: mailTimeout})
	if err != nil {
		return err
	}
	options, err := temporalclient.Options("worker", logger, metrics)
	if err != nil {
		return err
	}
	temporal, err := temporalclient.Dial(ctx, options, logger)
	if err != nil {
		return err
	}
	defer temporal.Close()
	metrics.Registry.MustRegister(stuckGauge(temporal, options.Namespace, logger))

	fatal := make(chan error, 2)
	pools := newPools(temporal, &activities.Activities{
		Credit: kurrent.NewCreditAccounts(kurrent.CreditAccountsConfig{
			Client: events, Terms: s.terms(), CacheSize: accountsCache,
		}),
		Orders:       events,
		Fulfillments: store,
		Emails:       store,
		Mailer:       mailer,
		Meter:        newEmailMeter(metrics.Registry),
		HoldFor:      s.Credit.Hold,
	}, s.Shutdown.Timeout, func(err error) { fatal <- err })
	if err := pools.start(); err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	server, err := ops.Start(ctx, ops.Options{Addr: s.Addr, Metrics: metrics, Logger: logger, Ready: map[string]func(context.Context) error{
		"temporal": temporalclient.Check(temporal), "postgres": store.Ping, "kurrentdb": events.Ping,
	}})
	if err != nil {
		pools.stop()
		return err
	}
	logger.Info("worker is running", "namespace", options.Namespace, "address", options.HostPort)
	select {
	case <-ctx.Done():
		err = nil
	case err = <-fatal:
	}
	logger.Info("worker is stopping")
	pools.stop()
	return stopped(server, err)
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

func openStore(ctx context.Context, s settings, logger *slog.Logger) (*postgres.Store, error) {
	store, err := postgres.Open(ctx, postgres.Config{
		URL: s.Postgres.URL, MaxConns: poolConnections, ApplicationName: "orderflow-worker", CallTimeout: storeTimeout,
		Unknown: s.Email.UnknownPolicy, Grace: s.Email.UnknownGrace, Lease: mailLease, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	if err := store.CheckSchema(ctx); err != nil {
		store.Close()
		return nil, err
	}
	return store, nil
}
