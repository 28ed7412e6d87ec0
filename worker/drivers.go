package main

import (
	"context"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/ses"
	"orderflow/internal/temporalclient"
)

const (
	storeTimeout  = 5 * time.Second  // one call to a store
	emailTimeout  = 10 * time.Second // one call to SES; below the attempt's 30 s, which is below the lease
	emailLease    = time.Minute      // how long an attempt owns its email
	accountsCache = 1024             // credit accounts kept folded in memory
)

// drivers are the stores and services that the activities use.
type drivers struct {
	events       *kurrent.Client
	pool         *postgres.Pool
	fulfillments *postgres.Fulfillments
	emails       *postgres.EmailLedger
	mailer       *ses.Mailer
	temporal     client.Client
	namespace    string // of Temporal
	metrics      *ops.Metrics
}

// openDrivers opens every driver. None connects yet, so that all errors in the settings
// are reported together. invalid is the error found in them so far.
func openDrivers(ctx context.Context, s settings, invalid error, logger *slog.Logger) (drivers, error) {
	metrics, err := ops.NewMetrics("worker")
	if err != nil {
		return drivers{}, err
	}
	events, eventsErr := kurrent.Open(kurrent.Config{
		URL: s.KurrentDB.URL, AllowPlaintext: s.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
	})
	pool, poolErr := postgres.Open(ctx, postgres.Config{
		URL: s.Postgres.URL, MaxConns: poolConnections, ApplicationName: "orderflow-worker", CallTimeout: storeTimeout,
		Logger: logger,
	})
	rules := postgres.EmailRules{Unknown: s.Email.UnknownPolicy, Grace: s.Email.UnknownGrace, Lease: emailLease}
	mailer, mailerErr := ses.Open(ctx, ses.Config{
		From: s.Email.From, ConfigurationSet: s.Email.ConfigurationSet, Timeout: emailTimeout,
	})
	options, optionsErr := temporalclient.Options("worker", logger, metrics)
	temporal, temporalErr := temporalclient.Open(options)
	d := drivers{
		events: events, pool: pool, fulfillments: postgres.NewFulfillments(pool, rules), emails: postgres.NewEmailLedger(pool, rules),
		mailer: mailer, temporal: temporal, namespace: temporalclient.Namespace(options), metrics: metrics,
	}
	if err := config.Merge(invalid, eventsErr, poolErr, mailerErr, optionsErr, temporalErr); err != nil {
		d.close()
		return drivers{}, err
	}
	return d, nil
}

func (d drivers) close() {
	if d.temporal != nil {
		d.temporal.Close()
	}
	if d.pool != nil {
		d.pool.Close()
	}
	if d.events != nil {
		d.events.Close()
	}
}
