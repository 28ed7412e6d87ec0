package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"orderflow/internal/backoff"
	"orderflow/internal/config"
	"orderflow/internal/postgres"
	"orderflow/internal/publish"
	"orderflow/internal/shell"
)

// retryPublishing publishes orders that are set aside. It may run alongside the
// publisher.
func (c *cli) retryPublishing() *cobra.Command {
	cmd := &cobra.Command{
		Use: "retry {ORDER | --all}", Short: "publish orders that are set aside, once the cause is fixed", Args: c.takes(argument{name: "[ORDER]"}),
	}
	all := cmd.Flags().Bool("all", false, "every order that is set aside")
	cmd.RunE = func(cmd *cobra.Command, orders []string) error {
		var invalid error
		if (len(orders) > 0) == *all {
			invalid = config.Invalid("ORDER", "is required, or --all in its place")
		}
		r, err := c.openRetrier(cmd.Context(), invalid)
		if err != nil {
			return err
		}
		defer r.pool.Close()
		defer r.Events.Close()
		if *all {
			return r.all(cmd.Context())
		}
		return r.named(cmd.Context(), orders[0])
	}
	return cmd
}

// openRetrier opens both stores. The caller closes them.
func (c *cli) openRetrier(ctx context.Context, others error) (retrier, error) {
	s, invalid := settings[storesSettings](c, others)
	logger := s.Logger(c.stderr)
	events, eventsErr := c.openEvents(s.KurrentDB, logger)
	pool, poolErr := openPublisherPool(ctx, s.Postgres, false, logger)
	if err := config.Merge(invalid, eventsErr, poolErr); err != nil {
		if events != nil {
			events.Close()
		}
		if pool != nil {
			pool.Close()
		}
		return retrier{}, err
	}
	return retrier{
		Appender: publish.Appender{Events: events, History: postgres.NewHistory(pool)},
		pool:     pool, state: postgres.NewPublisherState(pool), out: c.stdout,
	}, nil
}

// retrier publishes orders that are set aside.
type retrier struct {
	publish.Appender
	pool  *postgres.Pool
	state *postgres.PublisherState
	out   io.Writer
}

// errStillSetAside means that at least one order could not be published.
var errStillSetAside = errors.New("retry: not every order could be published")

// named publishes one order.
func (r retrier) named(ctx context.Context, orderID string) error {
	entry, err := r.state.FindSetAside(ctx, orderID)
	if errors.Is(err, postgres.ErrNotFound) {
		return fmt.Errorf("retry: %s is not set aside", orderID)
	}
	if err != nil {
		return fmt.Errorf("retry: %w", err)
	}
	return r.one(ctx, entry)
}

func (r retrier) all(ctx context.Context) error {
	left := false
	for after := ""; ; {
		page, err := r.state.ListSetAside(ctx, after, 1_000)
		if err != nil {
			return fmt.Errorf("retry: %w", err)
		}
		for _, entry := range page {
			err := r.one(ctx, entry)
			var refused *publish.Refusal
			switch {
			case errors.As(err, &refused):
				left = true
				_, _ = fmt.Fprintf(r.out, "%s: still set aside: %s\n", shell.Printable(entry.OrderID), refused)
			case err != nil:
				return err
			}
			after = entry.OrderID
		}
		if len(page) == 0 {
			break
		}
	}
	if left {
		return errStillSetAside
	}
	return nil
}

// maxCatchUps limits how often a retrier looks for versions that arrived in the meantime.
const maxCatchUps = 20

// one appends everything the history has of an order. It removes the set-aside entry only
// if no version waits behind what was appended: the publisher may have deferred another
// one in the meantime.
func (r retrier) one(ctx context.Context, entry postgres.SetAside) error {
	for range maxCatchUps {
		last, err := r.Replay(ctx, entry.OrderID)
		var refused *publish.Refusal
		if errors.As(err, &refused) {
			err = errors.Join(err, r.state.SetAside(ctx, postgres.SetAside{
				OrderID: entry.OrderID, Revision: max(last+1, entry.Revision), Code: refused.Code, Detail: refused.Detail,
			}))
		}
		if err != nil {
			return fmt.Errorf("retry %s: %w", entry.OrderID, err)
		}
		done, err := r.state.RemoveSetAside(ctx, entry.OrderID, last)
		if err != nil {
			return fmt.Errorf("retry %s: %w", entry.OrderID, err)
		}
		if done {
			_, err := fmt.Fprintf(r.out, "%s: published up to revision %d\n", shell.Printable(entry.OrderID), last)
			return err
		}
		_ = backoff.Sleep(ctx, 100*time.Millisecond) // a deferred version becomes visible in a moment
	}
	return fmt.Errorf("retry %s: a deferred version is not in the history: the order stays set aside", entry.OrderID)
}
