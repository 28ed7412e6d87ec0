package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"orderflow/internal/postgres"
)

// migrateTimeout bounds the wait for another migration and the run of this one.
const migrateTimeout = 5 * time.Minute

func (c *cli) migrate() *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "bring the PostgreSQL schema up to date", Args: c.takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := settings[databaseSettings](c)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), migrateTimeout)
			defer cancel()
			if err := postgres.Migrate(ctx, s.URL, s.Logger(c.stderr)); err != nil {
				return fmt.Errorf("migrate: %w", err)
			}
			return nil
		},
	}
}
