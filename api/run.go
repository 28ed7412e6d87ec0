package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/streams"
	"orderflow/internal/temporalclient"
)

const (
	storeTimeout = 5 * time.Second // one call to a store
	connections  = 8               // connections to PostgreSQL
)

// drivers holds the clients of the servers.
type drivers struct {
	metrics   *ops.Metrics
	events    *kurrent.Client
	store     *postgres.Store
	temporal  client.Client
	namespace string // Temporal namespace
}

func run(ctx context.Context, environ []string, stderr io.Writer) error {
	s, invalid := config.Load[settings](environ)
	logger := s.Logger(stderr)
	token, tokenErr := readToken(s.API.TokenFile)
	d, err := openDrivers(ctx, s, config.Merge(invalid, tokenErr), logger)
	if err != nil {
		return err
	}
	defer d.close()
	return ops.Run(ctx, ops.Options{
		Service: "api", Addr: s.Addr, Metrics: d.metrics, Logger: logger,
		// While one of these is down, requests that need it are answered with 503. Other
		// requests are served.
		State: map[string]ops.Check{
			"temporal": temporalclient.Check(d.temporal), "postgres": d.store.Ping, "kurrentdb": d.events.Ping,
		},
	}, func(ctx context.Context, life *ops.Life) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			return verify(ctx, life, "temporal", temporalclient.Verify(d.temporal, d.namespace), temporalclient.MayPass)
		})
		group.Go(func() error { return verify(ctx, life, "postgres", d.store.CheckSchema, postgres.MayPass) })
		group.Go(func() error {
			return serve(ctx, s.API.Addr, newAPI(s, d, token, logger).handler(), s.Shutdown.Timeout, life, logger)
		})
		return group.Wait()
	})
}

// verify waits for a server to respond, while requests are served. It returns an error if
// waiting cannot help: Temporal refuses the credentials, or the schema is too old.
func verify(ctx context.Context, life *ops.Life, dependency string, check ops.Check, mayPass func(error) bool) error {
	err := life.Await(ctx, dependency, check, mayPass)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func newAPI(s settings, d drivers, token []byte, logger *slog.Logger) *api {
	switch {
	case token == nil:
		logger.Warn("there is no API_TOKEN_FILE: whoever is on this machine may place and cancel orders")
	case !loopback(s.API.Addr):
		logger.Warn("the api speaks plain HTTP: put what speaks TLS in front of it, or orders and the token can be read on their way")
	}
	return &api{
		streams: streams.Orders{Client: d.events}, accounts: streams.NewCreditAccounts(streams.CreditAccountsConfig{Client: d.events}),
		rows: d.store, workflows: d.temporal, view: d.store, lag: newLagMeter(d.events),
		links: newLinks(s, d.namespace), token: token, observe: newRequestMeter(d.metrics.Registry), logger: logger, now: time.Now,
		cancelWait: cancelWait,
	}
}

// openDrivers creates the clients and reports all faults of the configuration at once. No
// client connects before its first call.
func openDrivers(ctx context.Context, s settings, invalid error, logger *slog.Logger) (d drivers, err error) {
	if d.metrics, err = ops.NewMetrics("api"); err != nil {
		return d, err
	}
	var eventsErr, storeErr, temporalErr error
	d.events, eventsErr = kurrent.Open(kurrent.Config{
		URL: s.KurrentDB.URL, AllowPlaintext: s.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
	})
	d.store, storeErr = postgres.Open(ctx, postgres.Config{
		URL: s.Postgres.URL, MaxConns: connections, ApplicationName: "orderflow-api", CallTimeout: storeTimeout, Logger: logger,
	})
	options, optionsErr := temporalclient.Options("api", logger, d.metrics)
	d.temporal, temporalErr = temporalclient.Open(options)
	d.namespace = temporalclient.Namespace(options)
	if err = config.Merge(invalid, eventsErr, storeErr, optionsErr, temporalErr); err != nil {
		d.close()
	}
	return d, err
}

func (d drivers) close() {
	if d.temporal != nil {
		d.temporal.Close()
	}
	if d.events != nil {
		d.events.Close()
	}
	if d.store != nil {
		d.store.Close()
	}
}
