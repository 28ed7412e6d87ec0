package rig

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"orderflow/internal/kurrent"
	"orderflow/internal/payloadcodec"
	"orderflow/internal/postgres"
	"orderflow/internal/temporalclient"
)

// callTimeout bounds one direct call to a store.
const callTimeout = 5 * time.Second

// Direct holds clients of the stores that bypass the edges. They survive restarts of the
// stores.
type Direct struct {
	Temporal client.Client
	Events   *kurrent.Client
	Rows     *postgres.Fulfillments
	Emails   *postgres.EmailLedger
	SES      string // URL of the inbox and its faults

	pool *postgres.Pool
}

// Connect opens the clients.
func (r *Rig) Connect(ctx context.Context) (*Direct, error) {
	quiet := slog.New(slog.DiscardHandler)
	servers := r.servers(r.addresses)
	events, err := kurrent.Open(kurrent.Config{URL: servers.KurrentDB, AllowPlaintext: true, CallTimeout: callTimeout})
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	pool, err := postgres.Open(ctx, postgres.Config{
		URL: servers.Postgres, MaxConns: 8, ApplicationName: "orderflow-chaos", CallTimeout: callTimeout,
	})
	if err != nil {
		events.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	options, err := r.temporalOptions(servers.Temporal, quiet)
	if err != nil {
		events.Close()
		pool.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	temporal, err := temporalclient.Dial(ctx, options, quiet)
	if err != nil {
		events.Close()
		pool.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &Direct{
		Temporal: temporal, Events: events, SES: servers.SES, pool: pool,
		Rows: postgres.NewFulfillments(pool, postgres.EmailRules{}), Emails: postgres.NewEmailLedger(pool, postgres.EmailRules{}),
	}, nil
}

// temporalOptions returns the options of a client, with encryption if the binaries use it.
func (r *Rig) temporalOptions(address string, logger *slog.Logger) (client.Options, error) {
	options := client.Options{HostPort: address, Logger: log.NewStructuredLogger(logger)}
	if !r.encrypts() {
		return options, nil
	}
	keys, err := payloadcodec.OpenKeys(r.KeysFile(), logger)
	if err != nil {
		return options, err
	}
	options.DataConverter = payloadcodec.Converter(payloadcodec.New(keys))
	options.FailureConverter = payloadcodec.FailureConverter(options.DataConverter)
	return options, nil
}

// Close closes all of them.
func (d *Direct) Close() {
	d.Temporal.Close()
	d.Events.Close()
	d.pool.Close()
}
