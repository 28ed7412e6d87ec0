package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/postgres"
	"orderflow/internal/subcommand"
)

// retrySettings are the settings of the retry command.
type retrySettings struct {
	config.Log
	config.KurrentDB
	Database database
}

// retry publishes orders that are set aside. It may run alongside the publisher.
func retry(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	all := flags.Bool("all", false, "every order that is set aside")
	orders, arguments := c.Parse(flags, "[ORDER]")
	if errors.Is(arguments, flag.ErrHelp) {
		return arguments
	}
	if arguments == nil && (len(orders) == 1) == *all {
		arguments = config.Invalid("ORDER", "is required, or --all in its place")
	}
	s, invalid := config.Load[retrySettings](c.Environ)
	events, store, err := open(ctx, s.KurrentDB, s.Database, false, config.Merge(arguments, invalid), s.Logger(c.Stderr))
	if err != nil {
		return err
	}
	defer events.Close()
	defer store.Close()
	r := retrier{appender: appender{events: events, store: store}, out: c.Stdout}
	if *all {
		return r.all(ctx)
	}
	entry, err := store.FindSetAside(ctx, orders[0])
	if errors.Is(err, postgres.ErrNotFound) {
		return fmt.Errorf("retry: %s is not set aside", orders[0])
	}
	if err != nil {
		return fmt.Errorf("retry: %w", err)
	}
	return r.one(ctx, entry)
}

// retrier publishes orders that are set aside.
type retrier struct {
	appender
	out io.Writer
}

// errStillSetAside means that at least one order could not be published.
var errStillSetAside = errors.New("retry: not every order could be published")

func (r retrier) all(ctx context.Context) error {
	left := false
	for after := ""; ; {
		page, err := r.store.SetAsideAfter(ctx, after, 1_000)
		if err != nil {
			return fmt.Errorf("retry: %w", err)
		}
		for _, entry := range page {
			err := r.one(ctx, entry)
			var refused *refusal
			switch {
			case errors.As(err, &refused):
				left = true
				_, _ = fmt.Fprintf(r.out, "%s: still set aside: %s\n", entry.OrderID, refused)
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
		last, err := r.replay(ctx, entry.OrderID)
		var refused *refusal
		if errors.As(err, &refused) {
			err = errors.Join(err, r.store.SetAside(ctx, postgres.SetAside{
				OrderID: entry.OrderID, Revision: max(last+1, entry.Revision), Code: refused.Code, Detail: refused.Detail,
			}))
		}
		if err != nil {
			return fmt.Errorf("retry %s: %w", entry.OrderID, err)
		}
		done, err := r.store.TakeBack(ctx, entry.OrderID, last)
		if err != nil {
			return fmt.Errorf("retry %s: %w", entry.OrderID, err)
		}
		if done {
			_, err := fmt.Fprintf(r.out, "%s: published up to revision %d\n", entry.OrderID, last)
			return err
		}
		pause(ctx, 100*time.Millisecond) // a deferred version becomes visible in a moment
	}
	return fmt.Errorf("retry %s: a deferred version is not in the history: the order stays set aside", entry.OrderID)
}
