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
	keys, err := payloadcodec.OpenKeys(r.KeysFile(), quiet)
	if err != nil {
		events.Close()
		pool.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	payloads := payloadcodec.Converter(payloadcodec.New(keys))
	options := client.Options{
		HostPort: servers.Temporal, Logger: log.NewStructuredLogger(quiet),
		DataConverter: payloads, FailureConverter: payloadcodec.FailureConverter(payloads),
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

// Close closes all of them.
func (d *Direct) Close() {
	d.Temporal.Close()
	d.Events.Close()
	d.pool.Close()
}
