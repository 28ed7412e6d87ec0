package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/postgres"
)

// retrySettings are what trying again needs.
type retrySettings struct {
	config.Log
	Kurrent  eventStore
	Postgres database
}

// retry publishes orders that are set aside. It may run beside the publisher.
func retry(ctx context.Context, c invocation) error {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	all := flags.Bool("all", false, "every order that is set aside")
	orders, arguments := c.parse(flags, 1)
	if errors.Is(arguments, flag.ErrHelp) {
		return arguments
	}
	if arguments == nil && (len(orders) == 1) == *all {
		arguments = config.Invalid("ORDER", "is required, or --all in its place")
	}
	s, invalid := config.Load[retrySettings](c.environ)
	events, store, err := open(ctx, s.Kurrent, s.Postgres, config.Merge(arguments, invalid), s.Logger(c.stderr))
	if err != nil {
		return err
	}
	defer events.Close()
	defer store.Close()
	r := retrial{appender: appender{events: events, store: store}, out: c.stdout}
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

// retrial tries orders again.
type retrial struct {
	appender
	out io.Writer
}

// errStillAside says that at least one order could not be published.
var errStillAside = errors.New("retry: not every order could be published")

func (r retrial) all(ctx context.Context) error {
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
		return errStillAside
	}
	return nil
}

// catchUps is how often a retrial looks for versions that came while it was at it.
const catchUps = 20

// one appends all the history has of an order. The entry goes only if nothing waits behind what was appended: the publisher
// may have deferred another version meanwhile.
func (r retrial) one(ctx context.Context, entry postgres.SetAside) error {
	for range catchUps {
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
		pause(ctx, 100*time.Millisecond) // what was deferred becomes visible in a moment
	}
	return fmt.Errorf("retry %s: a version that waits is not in the history: it stays set aside", entry.OrderID)
}

// listSetAside prints the orders that are set aside.
func listSetAside(ctx context.Context, c invocation) error {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	format := flags.String("o", "table", "table or json")
	_, arguments := c.parse(flags, 0)
	if errors.Is(arguments, flag.ErrHelp) {
		return arguments
	}
	if arguments == nil && *format != "table" && *format != "json" {
		arguments = config.Invalid("-o", "must be table or json")
	}
	s, invalid := config.Load[databaseSettings](c.environ)
	store, storeErr := openStore(ctx, s.Postgres, s.Logger(c.stderr))
	if err := config.Merge(arguments, invalid, storeErr); err != nil {
		return err
	}
	defer store.Close()
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	if *format == "table" {
		_, _ = fmt.Fprintln(table, "ORDER\tREVISION\tTHROUGH\tSINCE\tCODE\tDETAIL")
	}
	for after := ""; ; {
		page, err := store.SetAsideAfter(ctx, after, 1_000)
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		for _, entry := range page {
			after = entry.OrderID
			if err := printEntry(c.stdout, table, *format, entry); err != nil {
				return err
			}
		}
		if len(page) == 0 {
			return table.Flush()
		}
	}
}

// listed is one line of the JSON.
type listed struct {
	OrderID  string    `json:"orderId"`
	Revision int64     `json:"revision"`
	Through  int64     `json:"through"`
	Since    time.Time `json:"since"`
	Code     string    `json:"code"`
	Detail   string    `json:"detail"`
}

func printEntry(out io.Writer, table *tabwriter.Writer, format string, e postgres.SetAside) error {
	if format == "json" {
		return json.NewEncoder(out).Encode(listed{e.OrderID, e.Revision, e.Through, e.At, e.Code, e.Detail})
	}
	_, err := fmt.Fprintf(table, "%q\t%d\t%d\t%s\t%s\t%s\n", e.OrderID, e.Revision, e.Through, e.At.Format(time.RFC3339), e.Code, e.Detail)
	return err
}
