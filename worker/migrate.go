package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/postgres"
)

// migrateTimeout bounds waiting for another migration and running our own.
const migrateTimeout = 5 * time.Minute

// command runs a subcommand of the worker.
func command(ctx context.Context, args, environ []string, stderr io.Writer) error {
	switch {
	case len(args) == 1 && args[0] == "migrate":
		return migrate(ctx, environ, stderr)
	case len(args) == 2 && args[0] == "erase":
		return erase(ctx, args[1], environ, stderr)
	default:
		return config.Invalid("arguments", "must be none, migrate, or erase ORDER")
	}
}

// databaseSettings are the few that a subcommand needs.
type databaseSettings struct {
	config.Log
	URL string `env:"POSTGRES_URL,required"`
}

func migrate(ctx context.Context, environ []string, stderr io.Writer) error {
	s, err := config.Load[databaseSettings](environ)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	if err := postgres.Migrate(ctx, s.URL, s.Logger(stderr)); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
