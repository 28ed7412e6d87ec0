package main

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/subcommand"
	"orderflow/internal/temporalclient"
)

const (
	storeTimeout = 5 * time.Second // one call to a store
	connections  = 8               // to PostgreSQL
)

// drivers are the ways to the servers.
type drivers struct {
	metrics  *ops.Metrics
	events   *kurrent.Client
	store    *postgres.Store
	temporal client.Options
}

func run(ctx context.Context, c subcommand.Call) error {
	if len(c.Args) > 0 {
		return program().Dispatch(ctx, c)
	}
	s, invalid := config.Load[settings](c.Environ)
	logger := s.Logger(c.Stderr)
	token, tokenErr := readToken(s.API.TokenFile)
	d, err := openDrivers(ctx, s, config.Merge(invalid, tokenErr), logger)
	if err != nil {
		return err
	}
	defer d.close()
	var dialled atomic.Pointer[client.Client]
	server, err := ops.Start(ctx, ops.Options{Addr: s.Addr, Metrics: d.metrics, Logger: logger, Ready: map[string]func(context.Context) error{
		"temporal": checkTemporal(&dialled), "postgres": d.store.Ping, "kurrentdb": d.events.Ping,
	}})
	if err != nil {
		return err
	}
	return stopped(server, connectAndServe(ctx, s, d, token, &dialled, logger))
}

// checkTemporal is not ready before there is a connection.
func checkTemporal(dialled *atomic.Pointer[client.Client]) func(context.Context) error {
	return func(ctx context.Context) error {
		if temporal := dialled.Load(); temporal != nil {
			return temporalclient.Check(*temporal)(ctx)
		}
		return errors.New("not connected yet")
	}
}

// connectAndServe waits for the servers, for as long as the process is alive and not ready, and then answers requests.
func connectAndServe(
	ctx context.Context, s settings, d drivers, token []byte, dialled *atomic.Pointer[client.Client], logger *slog.Logger,
) error {
	if err := awaitSchema(ctx, d.store, logger); err != nil {
		return err
	}
	temporal, err := temporalclient.Dial(ctx, d.temporal, logger)
	if err != nil {
		return err
	}
	defer temporal.Close()
	dialled.Store(&temporal)
	switch {
	case token == nil:
		logger.Warn("there is no API_TOKEN_FILE: whoever is on this machine may place and cancel orders")
	case !loopback(s.API.Addr):
		logger.Warn("the api speaks plain HTTP: put what speaks TLS in front of it, or orders and the token can be read on their way")
	}
	a := &api{
		streams: d.events, accounts: kurrent.NewCreditAccounts(kurrent.CreditAccountsConfig{Client: d.events}),
		rows: d.store, workflows: temporal, view: d.store, lag: newLagMeter(d.events),
		links: newLinks(s, d.temporal.Namespace), token: token, observe: newRequestMeter(d.metrics.Registry), logger: logger, now: time.Now,
		cancelWait: cancelWait,
	}
	return serve(ctx, s.API.Addr, a.handler(), s.Shutdown.Timeout, logger)
}

// openDrivers reports every fault of the configuration at once. Nothing connects before it is asked for something.
func openDrivers(ctx context.Context, s settings, invalid error, logger *slog.Logger) (d drivers, err error) {
	if d.metrics, err = ops.NewMetrics("api"); err != nil {
		return d, err
	}
	var eventsErr, storeErr, optionsErr error
	d.events, eventsErr = kurrent.Open(kurrent.Config{
		URL: s.Kurrent.URL, AllowPlaintext: s.Kurrent.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
	})
	d.store, storeErr = postgres.Open(ctx, postgres.Config{
		URL: s.Postgres.URL, MaxConns: connections, ApplicationName: "orderflow-api", CallTimeout: storeTimeout, Logger: logger,
	})
	d.temporal, optionsErr = temporalclient.Options("api", logger, d.metrics)
	if err = config.Merge(invalid, eventsErr, storeErr, optionsErr); err != nil {
		d.close()
	}
	return d, err
}

func (d drivers) close() {
	if d.events != nil {
		d.events.Close()
	}
	if d.store != nil {
		d.store.Close()
	}
}

// awaitSchema waits for the database as Dial does for Temporal. A schema that is too old is another matter: somebody has to
// migrate.
func awaitSchema(ctx context.Context, store *postgres.Store, logger *slog.Logger) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, storeTimeout) {
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

// stopped closes the operations server last, so that a platform sees the api as alive while it finishes its work.
func stopped(server *ops.Server, err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if shutdownErr := server.Shutdown(ctx); err == nil {
		err = shutdownErr
	}
	return err
}
