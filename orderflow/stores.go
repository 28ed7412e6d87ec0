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
	"orderflow/internal/temporalclient"
)

// callTimeout bounds one call while an operator waits at a terminal.
const callTimeout = 10 * time.Second

// databaseSettings are the settings of commands that need only PostgreSQL.
type databaseSettings struct {
	config.Log
	config.Postgres
}

// temporalSettings are the settings of commands that need Temporal alone, besides the
// SDK's own.
type temporalSettings struct {
	config.Log
	config.Payloads
}

// storesSettings are the settings of commands that need KurrentDB and PostgreSQL.
type storesSettings struct {
	config.Log
	config.KurrentDB
	config.Postgres
}

// openDatabase connects to the database and checks its schema. others are faults of the
// command line that settings cannot know.
func (c *cli) openDatabase(ctx context.Context, others ...error) (*postgres.Pool, error) {
	s, invalid := settings[databaseSettings](c, others...)
	pool, poolErr := postgres.Open(ctx, postgres.Config{
		URL: s.URL, URLFile: s.URLFile,
		MaxConns: 1, ApplicationName: "orderflow-operator", CallTimeout: callTimeout, Logger: s.Logger(c.stderr),
	})
	err := config.Merge(invalid, poolErr)
	if err == nil {
		err = pool.CheckSchema(ctx)
	}
	if err != nil {
		if pool != nil {
			pool.Close()
		}
		return nil, err
	}
	return pool, nil
}

// storeTimeout bounds one call to KurrentDB.
const storeTimeout = 5 * time.Second

// openEvents opens a client of KurrentDB, which does not connect yet.
func (c *cli) openEvents(k config.KurrentDB, logger *slog.Logger) (*kurrent.Client, error) {
	return kurrent.Open(kurrent.Config{
		URL: k.URL, URLFile: k.URLFile, AllowPlaintext: k.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
	})
}

// dialTemporal connects to Temporal within callTimeout.
func (c *cli) dialTemporal(ctx context.Context, service string) (client.Client, error) {
	connected, _, err := c.dialTemporalWith(ctx, service)
	return connected, err
}

// dialTemporalWith is dialTemporal for a command that needs the client's options too.
// others are faults of the command line that settings cannot know.
func (c *cli) dialTemporalWith(ctx context.Context, service string, others ...error) (client.Client, client.Options, error) {
	s, err := settings[temporalSettings](c, others...)
	if err != nil {
		return nil, client.Options{}, err
	}
	metrics, err := ops.NewMetrics(service)
	if err != nil {
		return nil, client.Options{}, err
	}
	logger := s.Logger(c.stderr)
	s.Level = max(s.Level, slog.LevelWarn) // the client logs verbosely
	options, err := temporalclient.Options(service, s.Payloads, s.Logger(c.stderr), metrics)
	if err != nil {
		return nil, client.Options{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	connected, err := temporalclient.Dial(ctx, options, logger)
	return connected, options, err
}
