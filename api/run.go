package main

import (
	"context"
	"io"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/temporalclient"
)

const (
	storeTimeout = 5 * time.Second // one call to a store
	connections  = 8               // to PostgreSQL
)

func run(ctx context.Context, args, environ []string, stderr io.Writer) error {
	if len(args) > 0 {
		return config.Invalid("arguments", "must be none")
	}
	s, invalid := config.Load[settings](environ)
	logger := s.Logger(stderr)
	metrics, err := ops.NewMetrics("api")
	if err != nil {
		return err
	}
	token, tokenErr := readToken(s.API.TokenFile)
	events, eventsErr := kurrent.Open(kurrent.Config{
		URL: s.Kurrent.URL, AllowPlaintext: s.Kurrent.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
	})
	store, storeErr := postgres.Open(ctx, postgres.Config{
		URL: s.Postgres.URL, MaxConns: connections, ApplicationName: "orderflow-api", CallTimeout: storeTimeout, Logger: logger,
	})
	options, optionsErr := temporalclient.Options("api", logger, metrics)
	if err := config.Merge(invalid, tokenErr, eventsErr, storeErr, optionsErr); err != nil {
		return err // nothing has connected yet, so nothing has to be closed
	}
	defer events.Close()
	defer store.Close()
	temporal, err := temporalclient.Dial(ctx, options, logger)
	if err != nil {
		return err
	}
	defer temporal.Close()
	if token == nil {
		logger.Warn("there is no API_TOKEN_FILE: whoever is on this machine may place and cancel orders")
	}
	a := &api{
		streams: events, accounts: kurrent.NewCreditAccounts(kurrent.CreditAccountsConfig{Client: events}),
		rows: store, workflows: temporal, view: store, lag: newLagMeter(events), token: token, logger: logger, now: time.Now,
	}
	server, err := ops.Start(ctx, ops.Options{Addr: s.Addr, Metrics: metrics, Logger: logger, Ready: map[string]func(context.Context) error{
		"temporal": temporalclient.Check(temporal), "postgres": store.Ping, "kurrentdb": events.Ping,
	}})
	if err != nil {
		return err
	}
	err = serve(ctx, s.API.Addr, a.handler(), s.Shutdown.Timeout, logger)
	return stopped(server, err)
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
