package main

import (
	"github.com/spf13/cobra"

	"orderflow/internal/postgres"
)

func (c *cli) migrate() *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "bring the PostgreSQL schema up to date", Args: c.takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := settings[databaseSettings](c)
			if err != nil {
				return err
			}
			return postgres.Migrate(cmd.Context(), s.URL, s.Logger(c.stderr))
		},
	}
}
