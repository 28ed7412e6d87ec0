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
	_, store, err := openDatabase(ctx, c, arguments)
	if err != nil {
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
