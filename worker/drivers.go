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
	"orderflow/internal/tracing"
)

const (
	storeTimeout = 5 * time.Second  // one call to a store
	emailTimeout = 10 * time.Second // one call to SES; below the attempt's 30 s, which is below the lease
	emailLease   = time.Minute      // how long an attempt owns its email
)

// drivers are the stores and services that the activities use.
type drivers struct {
	events       *kurrent.Client // nil if the worker only sends emails, and consumes no events about them
	pool         *postgres.Pool
	fulfillments *postgres.Fulfillments
	emails       *postgres.EmailLedger
	mailer       *ses.Mailer // nil if the worker sends no emails
	emailEvents  *ses.Queue  // nil if the worker consumes none
	temporal     client.Client
	options      client.Options // of temporal
	namespace    string         // of Temporal
	metrics      *ops.Metrics
	traces       *tracing.Traces
}

// openDrivers opens every driver that the worker's queues need. None connects yet, so that
// all errors in the settings are reported together. invalid is the error found in them so
// far.
func openDrivers(ctx context.Context, s settings, invalid error, logger *slog.Logger) (drivers, error) {
	metrics, err := ops.NewMetrics("worker")
	if err != nil {
		return drivers{}, err
	}
	traces, tracesErr := tracing.Open(ctx, "worker", s.Tracing, logger)
	d := drivers{metrics: metrics, traces: traces}
	if err := config.Merge(invalid, tracesErr, d.openStores(ctx, s, logger), d.openTemporal(s.Payloads, logger)); err != nil {
		d.close()
		return drivers{}, err
	}
	return d, nil
}

func (d *drivers) openStores(ctx context.Context, s settings, logger *slog.Logger) error {
	var eventsErr, poolErr, mailerErr, queueErr error
	if s.Tuning.ServesOrders() || s.Tuning.ServesReconcile() || s.consumesEvents() {
		d.events, eventsErr = kurrent.Open(kurrent.Config{
			URL: s.KurrentDB.URL, URLFile: s.KurrentDB.URLFile, AllowPlaintext: s.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
		})
	}
	if s.Tuning.ServesEmails() {
		d.mailer, mailerErr = ses.Open(ctx, ses.Config{
			From: s.Email.From, ReplyTo: s.Email.ReplyTo, ConfigurationSet: s.Email.ConfigurationSet, Templates: s.Email.Templates,
			Timeout: emailTimeout, TracerProvider: d.traces.Provider(),
		})
	}
	if s.consumesEvents() {
		d.emailEvents, queueErr = ses.OpenQueue(ctx, ses.QueueConfig{URL: s.Email.EventsQueueURL})
	}
	d.pool, poolErr = postgres.Open(ctx, postgres.Config{
		URL: s.Postgres.URL, URLFile: s.Postgres.URLFile,
		MaxConns: s.Tuning.Connections(), ApplicationName: applicationName(s.Tuning), CallTimeout: storeTimeout,
		Logger: logger, TracerProvider: d.traces.Provider(),
	})
	rules := postgres.EmailRules{Unknown: s.Email.UnknownPolicy, Grace: s.Email.UnknownGrace, Lease: emailLease}
	d.fulfillments, d.emails = postgres.NewFulfillments(d.pool, rules), postgres.NewEmailLedger(d.pool, rules)
	return config.Merge(eventsErr, poolErr, mailerErr, queueErr)
}

// applicationName returns the name by which PostgreSQL shows the worker's sessions.
func applicationName(t config.Worker) string {
	if t.ServesReconcile() {
		return "orderflow-reconcile"
	}
	return "orderflow-worker"
}

func (d *drivers) openTemporal(payloads config.Payloads, logger *slog.Logger) error {
	options, optionsErr := temporalclient.Options("worker", payloads, logger, d.metrics)
	if d.traces.On() {
		options.Interceptors = temporalclient.Tracing(d.traces.Provider())
	}
	temporal, err := temporalclient.Open(options)
	d.temporal, d.options, d.namespace = temporal, options, temporalclient.Namespace(options)
	return config.Merge(optionsErr, err)
}

// exportStores exports the metrics of the stores' drivers.
func (d drivers) exportStores() {
	d.metrics.Registry.MustRegister(d.pool.Collector())
	if d.events != nil {
		d.metrics.Registry.MustRegister(d.events.Collector())
	}
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
	d.traces.Flush()
}
