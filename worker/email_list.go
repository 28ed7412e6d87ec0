package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/email"
	"orderflow/internal/subcommand"
)

// emailPage is the output of `email list`. The oldest emails come first, in the order in
// which an operator handles them.
type emailPage struct {
	Emails []email.Delivery `json:"emails"`
	More   bool             `json:"more"`
}

func listEmails(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	status := flags.String("status", "unknown", "unknown, pending, sending, failed or all")
	output, limit := subcommand.OutputFlag(flags), subcommand.LimitFlag(flags)
	_, arguments := c.Parse(flags)
	statuses, statusErr := parseStatuses(*status)
	store, err := openStore(ctx, c, arguments, statusErr)
	if err != nil {
		return err
	}
	defer store.Close()
	list, more, err := store.ListEmails(ctx, email.Filter{Statuses: statuses, Limit: *limit})
	if err != nil {
		return fmt.Errorf("list emails: %w", err)
	}
	page := emailPage{Emails: list, More: more}
	return output.Print(c.Stdout, page, page.printTable)
}

func parseStatuses(name string) ([]email.Status, error) {
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

func (p emailPage) printTable(w io.Writer) error {
	rows := make([]string, len(p.Emails))
	for i, d := range p.Emails {
		rows[i] = fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%s\t%s", d.OrderID, d.Kind, d.Status, d.Attempt, d.UnknownAttempts,
			cmp.Or(d.ErrorCode, "-"), d.Since.Format(time.RFC3339))
	}
	return subcommand.Table(w, "ORDER\tKIND\tSTATUS\tATTEMPT\tUNKNOWN\tERROR\tSINCE", rows, p.More)
}
