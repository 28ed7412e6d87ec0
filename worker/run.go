package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"

	"orderflow/activities"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/subcommand"
	"orderflow/internal/temporalclient"
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
	if err := awaitSchema(ctx, d.store, logger); err != nil {
		return err
	}
	temporal, err := temporalclient.Dial(ctx, d.temporal, logger)
	if err != nil {
		return err
	}
	defer temporal.Close()
	d.metrics.Registry.MustRegister(stuckGauge(temporal, d.temporal.Namespace, logger), unsettledEmails{d.store, logger})

	fatal := make(chan error, 2)
	pools := newPools(temporal, newActivities(s, d), s, func(err error) { fatal <- err })
	if err := pools.start(); err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	server, err := ops.Start(ctx, ops.Options{Addr: s.Addr, Metrics: d.metrics, Logger: logger, Ready: checks(temporal, d)})
	if err != nil {
		pools.stop()
		return err
	}
	logger.Info("worker is running", "namespace", d.temporal.Namespace, "address", d.temporal.HostPort)
	select {
	case <-ctx.Done():
		err = nil
	case err = <-fatal:
	}
	logger.Info("worker is stopping")
	pools.stop()
	return stopped(server, err)
}

// awaitSchema waits for the database as it waits for Temporal: a worker that starts beside it should not die for being
// first. A schema that is too old is another matter: somebody has to migrate.
func awaitSchema(ctx context.Context, store *postgres.Store, logger *slog.Logger) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := store.CheckSchema(ctx)
		if !errors.Is(err, postgres.ErrUnavailable) {
			return err
		}
		logger.Warn("PostgreSQL does not answer yet", "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

func newActivities(s settings, d drivers) *activities.Activities {
	return &activities.Activities{
		Credit: kurrent.NewCreditAccounts(kurrent.CreditAccountsConfig{
			Client: d.events, Terms: s.terms(), CacheSize: accountsCache,
		}),
		Orders:       d.events,
		Fulfillments: d.store,
		Emails:       d.store,
		Mailer:       d.mailer,
		Meter:        newEmailMeter(d.metrics.Registry),
		HoldFor:      s.Credit.Hold,
	}
}

func checks(temporal client.Client, d drivers) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"temporal": temporalclient.Check(temporal), "postgres": d.store.Ping, "kurrentdb": d.events.Ping,
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
