package main

import (
	"context"

	"github.com/spf13/cobra"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/projection"
)

func (c *cli) rebuildView() *cobra.Command {
	return &cobra.Command{
		Use: "rebuild", Short: "build a new view alongside the one in use, and replace it", Args: c.takes(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.rebuild(cmd.Context()) },
	}
}

func (c *cli) rebuild(ctx context.Context) error {
	s, invalid := settings[storesSettings](c)
	logger := s.Logger(c.stderr)
	events, eventsErr := kurrent.Open(kurrent.Config{
		URL: s.KurrentDB.URL, URLFile: s.KurrentDB.URLFile, AllowPlaintext: s.AllowPlaintext, Logger: logger, CallTimeout: projection.CallTimeout,
	})
	pool, poolErr := postgres.Open(ctx, postgres.Config{
		URL: s.Postgres.URL, URLFile: s.Postgres.URLFile,
		MaxConns: 4, ApplicationName: "orderflow-projector", OwnSessions: true, CallTimeout: projection.CallTimeout,
		Logger: logger,
	})
	if eventsErr == nil {
		defer events.Close()
	}
	if poolErr == nil {
		defer pool.Close()
	}
	if err := config.Merge(invalid, eventsErr, poolErr); err != nil {
		return err
	}
	return projection.Rebuild(ctx, events, pool, logger)
}
