package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"orderflow/internal/config"
	"orderflow/internal/postgres"
	"orderflow/internal/setup"
)

// defaultRole is the default of the role that the publisher connects as.
const defaultRole = "orderflow_publisher"

// publisherSettings are the settings of the publisher's commands that need only
// PostgreSQL.
type publisherSettings struct {
	config.Log
	config.Postgres
	Slot config.Slot
}

// openPublished opens the database that the publisher reads, without checking its schema.
func (c *cli) openPublished(ctx context.Context, ownSessions bool) (slot string, pool *postgres.Pool, err error) {
	s, invalid := settings[publisherSettings](c)
	pool, poolErr := openPublisherPool(ctx, s.Postgres, ownSessions, s.Logger(c.stderr))
	if err = config.Merge(invalid, poolErr); err != nil && pool != nil {
		pool.Close()
	}
	return s.Slot.Name, pool, err
}

// openPublisherPool opens a pool, which does not connect yet.
func openPublisherPool(ctx context.Context, p config.Postgres, ownSessions bool, logger *slog.Logger) (*postgres.Pool, error) {
	return postgres.Open(ctx, postgres.Config{
		URL: p.URL, URLFile: p.URLFile,
		MaxConns: 2, ApplicationName: "orderflow-publisher", OwnSessions: ownSessions, CallTimeout: storeTimeout, Logger: logger,
	})
}

func (c *cli) setUpPublisher() *cobra.Command {
	cmd := &cobra.Command{
		Use: "setup", Short: "create the role, its grants and the replication slot, as far as they are missing",
		Long: "Create what the publisher needs in PostgreSQL; the caller's role must be allowed to. Each step prints what it\n" +
			"did and leaves what exists unchanged.",
		Args: c.takes(),
	}
	role := cmd.Flags().String("role", defaultRole, "the role the publisher connects as; empty leaves roles unchanged")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		slot, pool, err := c.openPublished(cmd.Context(), true)
		if err != nil {
			return err
		}
		defer pool.Close()
		return c.setUp(cmd.Context(), pool, *role, slot)
	}
	return cmd
}

func (c *cli) setUp(ctx context.Context, pool *postgres.Pool, role, slot string) error {
	if err := pool.CheckSchema(ctx); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	publication := postgres.NewPublication(pool)
	if _, err := publication.Check(ctx); err != nil {
		return err
	}
	if role != "" {
		did, err := publication.PrepareRole(ctx, role)
		if err != nil {
			return fmt.Errorf("set up: %w", err)
		}
		for _, line := range did {
			_, _ = fmt.Fprintln(c.stdout, line)
		}
	}
	message, err := setUpSlot(ctx, publication, postgres.NewPublisherState(pool), slot)
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	_, err = fmt.Fprintln(c.stdout, message)
	return err
}

// setUpSlot creates the slot and returns a message about it.
func setUpSlot(
	ctx context.Context, publication *postgres.Publication, state *postgres.PublisherState, name string,
) (string, error) {
	slot, err := setup.EnsureSlot(ctx, publication, state, name)
	if err != nil {
		return "", err
	}
	message := fmt.Sprintf("slot %s: is there already, confirmed up to %s", name, slot.Confirmed)
	switch {
	case slot.Created:
		return fmt.Sprintf("slot %s: made; from now on the server keeps its log for the publisher, so start it, "+
			"or drop the slot: SELECT pg_drop_replication_slot('%s')", name, name), nil
	case slot.Lost:
		return fmt.Sprintf("slot %s: is lost; the publisher makes a new one when it starts", name), nil
	case slot.FailoverEnabled:
		return message + "; from now on it is copied to standbys", nil
	case slot.FailoverLater:
		return message + "; the publisher that reads it enables copying to standbys at its next start", nil
	default:
		return message, nil
	}
}

// snapshotPublisher makes the publisher's next session read the history from its
// beginning.
func (c *cli) snapshotPublisher() *cobra.Command {
	return &cobra.Command{
		Use: "snapshot", Short: "read the whole history again, after the event store was restored", Args: c.takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			slot, pool, err := c.openPublished(cmd.Context(), false)
			if err != nil {
				return err
			}
			defer pool.Close()
			if err := postgres.NewPublisherState(pool).DeleteCheckpoint(cmd.Context(), slot); err != nil {
				return fmt.Errorf("snapshot: %w", err)
			}
			_, err = fmt.Fprintln(c.stdout, "the history is read from its beginning by the publisher's next session, which begins within seconds")
			return err
		},
	}
}
