package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/postgres"
	"orderflow/internal/subcommand"
)

// migrateTimeout bounds the wait for another migration and the run of this one.
const migrateTimeout = 5 * time.Minute

func migrate(ctx context.Context, c subcommand.Call) error {
	_, arguments := c.Parse(flag.NewFlagSet(c.Name, flag.ContinueOnError))
	if errors.Is(arguments, flag.ErrHelp) {
		return arguments
	}
	s, invalid := config.Load[databaseSettings](c.Environ)
	if err := config.Merge(arguments, invalid); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	if err := postgres.Migrate(ctx, s.URL, s.Logger(c.Stderr)); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
