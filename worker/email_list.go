package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/email"
	"orderflow/internal/subcommand"
)

// maxListed bounds one answer; the oldest come first, and an operator works through them.
const (
	defaultListed = 100
	maxListed     = 10_000
)

// emailPage is what `email list -o json` prints.
type emailPage struct {
	Emails []email.Delivery `json:"emails"`
	More   bool             `json:"more"`
}

func listEmails(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	status := flags.String("status", "unknown", "unknown, pending, sending, failed or all")
	limit := flags.Int("limit", defaultListed, "how many, at most 10000")
	output := flags.String("o", "table", "table or json")
	_, arguments := c.Parse(flags)
	statuses, statusErr := openStatuses(*status)
	store, err := openStore(ctx, c, arguments, statusErr, checkListing(*limit, *output))
	if err != nil {
		return err
	}
	defer store.Close()
	list, more, err := store.ListEmails(ctx, statuses, *limit)
	if err != nil {
		return fmt.Errorf("list mails: %w", err)
	}
	page := emailPage{Emails: list, More: more}
	if *output == "json" {
		encoder := json.NewEncoder(c.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(page)
	}
	return page.printTable(c.Stdout)
}

func openStatuses(name string) ([]email.Status, error) {
	open := []email.Status{email.StatusUnknown, email.StatusPending, email.StatusSending, email.StatusFailed}
	if name == "all" {
		return open, nil
	}
	for _, status := range open {
		if name == string(status) {
			return []email.Status{status}, nil
		}
	}
	return nil, config.Invalid("--status", "must be unknown, pending, sending, failed or all")
}

func checkListing(limit int, output string) error {
	var limitErr, outputErr error
	if limit < 1 || limit > maxListed {
		limitErr = config.Invalid("--limit", "must be from 1 to %d", maxListed)
	}
	if output != "table" && output != "json" {
		outputErr = config.Invalid("-o", "must be table or json")
	}
	return config.Merge(limitErr, outputErr)
}

func (p emailPage) printTable(w io.Writer) error {
	if len(p.Emails) == 0 {
		_, err := fmt.Fprintln(w, "there are none")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ORDER\tKIND\tSTATUS\tATTEMPT\tUNKNOWN\tERROR\tSINCE")
	for _, d := range p.Emails {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", d.OrderID, d.Kind, d.Status, d.Attempt, d.UnknownAttempts,
			cmp.Or(d.ErrorCode, "-"), d.Since.Format(time.RFC3339))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if p.More {
		_, err := fmt.Fprintf(w, "there are more than these %d: --limit\n", len(p.Emails))
		return err
	}
	return nil
}
