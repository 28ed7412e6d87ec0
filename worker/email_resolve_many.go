package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/email"
	"orderflow/internal/subcommand"
)

// manyOptions pick the emails to resolve by their state and the time they came into it.
type manyOptions struct {
	status, kind *string
	from, to     *time.Time
	limit        *int
}

func manyFlags(flags *flag.FlagSet) manyOptions {
	return manyOptions{
		status: flags.String("status", "", "many at once: those that are `unknown, pending or failed`"),
		kind:   flags.String("kind", "", "of this `kind` alone, with --status"),
		from:   timeFlag(flags, "from", "that came into that state at this `time` or later, such as 2025-01-31T12:00:00Z"),
		to:     timeFlag(flags, "to", "and before this `time`"),
		limit:  subcommand.LimitFlag(flags),
	}
}

func timeFlag(flags *flag.FlagSet, name, usage string) *time.Time {
	var at time.Time
	flags.Func(name, usage, func(text string) (err error) {
		if at, err = time.Parse(time.RFC3339, text); err != nil {
			return errors.New("must be a time such as 2025-01-31T12:00:00Z")
		}
		return nil
	})
	return &at
}

// used reports whether any flag was given that goes with many emails alone.
func (o manyOptions) used(flags *flag.FlagSet) (used bool) {
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "status", "kind", "from", "to", "limit":
			used = true
		}
	})
	return used
}

func (o manyOptions) filter() *email.Filter {
	return &email.Filter{
		Statuses: []email.Status{email.Status(*o.status)}, Kind: email.Kind(*o.kind), From: *o.from, To: *o.to, Limit: *o.limit,
	}
}

func (o manyOptions) check(as email.Resolution) error {
	var faults []error
	switch status := email.Status(*o.status); {
	case status != email.StatusUnknown && status != email.StatusPending && status != email.StatusFailed:
		faults = append(faults, config.Invalid("--status", "must be unknown, pending or failed"))
	case as != "" && !as.Allows(status):
		faults = append(faults, config.Invalid("--status", "what is %s cannot be resolved as %s", status, as))
	}
	if *o.kind != "" {
		faults = append(faults, checkKind("--kind", email.Kind(*o.kind)))
	}
	switch {
	case o.from.IsZero() || o.to.IsZero():
		faults = append(faults, config.Invalid("--from", "and --to are required with --status"))
	case !o.from.Before(*o.to):
		faults = append(faults, config.Invalid("--from", "must be before --to"))
	}
	return config.Merge(faults...)
}

// resolvedEmail is one email that was picked. Its status is the one it has then; in a dry run the one it has now.
type resolvedEmail struct {
	email.Delivery
	Refused string `json:"refused,omitempty"` // why it was not resolved
}

// resolvedPage is what resolving many emails prints. More: others are picked too, and the same command goes on with them.
type resolvedPage struct {
	DryRun bool            `json:"dryRun,omitempty"`
	Emails []resolvedEmail `json:"emails"`
	More   bool            `json:"more"`
}

// resolveMany resolves the emails that a filter picks, one after the other. One that has left its state meanwhile is refused,
// and the others go on. What was done is printed also when the rest cannot be.
func (r resolver) resolveMany(ctx context.Context, c subcommand.Call, asked resolution) error {
	picked, more, err := r.store.ListEmails(ctx, *asked.filter)
	if err != nil {
		return fmt.Errorf("list mails: %w", err)
	}
	page := resolvedPage{DryRun: r.dryRun, Emails: []resolvedEmail{}, More: more}
	refusals := 0
	var failed error
	for _, d := range picked {
		row, err := r.resolve(ctx, email.Decision{
			OrderID: d.OrderID, Kind: d.Kind, Resolution: asked.as, Only: asked.filter.Statuses[0],
		})
		done := resolvedEmail{Delivery: row}
		var refused *email.RefusedError
		switch {
		case errors.As(err, &refused):
			refusals++
			done.Refused = refused.Error()
		case err != nil:
			failed = err
		}
		if failed != nil {
			break
		}
		page.Emails = append(page.Emails, done)
	}
	if err := asked.output.Print(c.Stdout, page, page.printTable); err != nil || failed != nil {
		return errors.Join(failed, err)
	}
	if refusals > 0 {
		return fmt.Errorf("resolve mails: %d of %d were refused", refusals, len(page.Emails))
	}
	return nil
}

func (p resolvedPage) printTable(w io.Writer) error {
	done := "resolved"
	if p.DryRun {
		done = "would be resolved"
	}
	rows := make([]string, len(p.Emails))
	for i, d := range p.Emails {
		result := done
		if d.Refused != "" {
			result = "refused: " + d.Refused
		}
		rows[i] = fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%s\t%s", d.OrderID, d.Kind, d.Status, d.Attempt, d.UnknownAttempts,
			d.Since.Format(time.RFC3339), result)
	}
	return subcommand.Table(w, "ORDER\tKIND\tSTATUS\tATTEMPT\tUNKNOWN\tSINCE\tRESULT", rows, p.More)
}
