package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"orderflow/internal/config"
	"orderflow/internal/email"
)

// bulkOptions select the emails to resolve by their state and the time they entered it.
type bulkOptions struct {
	status, kind *string
	from, to     *time.Time
	limit        *int
}

func bulkFlags(cmd *cobra.Command) bulkOptions {
	flags := cmd.Flags()
	options := bulkOptions{
		status: flags.String("status", "", "resolve all emails that are `unknown, pending or failed`"),
		kind:   flags.String("kind", "", "only emails of this `kind`, with --status"),
		from:   timeFlag(cmd, "from", "only emails that entered that state at this time or later, such as 2025-01-31T12:00:00Z"),
		to:     timeFlag(cmd, "to", "only emails that entered that state before this time"),
		limit:  limitFlag(cmd),
	}
	complete(cmd, "status", "unknown", "pending", "failed")
	complete(cmd, "kind", emailKinds()...)
	return options
}

// used reports whether any flag was given that applies only to many emails.
func (o bulkOptions) used(cmd *cobra.Command) bool {
	return slices.ContainsFunc([]string{"status", "kind", "from", "to", "limit"}, cmd.Flags().Changed)
}

func (o bulkOptions) filter() *email.Filter {
	return &email.Filter{
		Statuses: []email.Status{email.Status(*o.status)}, Kind: email.Kind(*o.kind), From: *o.from, To: *o.to, Limit: *o.limit,
	}
}

func (o bulkOptions) check(decision email.Resolution) error {
	var faults []error
	switch status := email.Status(*o.status); {
	case status != email.StatusUnknown && status != email.StatusPending && status != email.StatusFailed:
		faults = append(faults, config.Invalid("--status", "must be unknown, pending or failed"))
	case decision != "" && !decision.Allows(status):
		faults = append(faults, config.Invalid("--status", "what is %s cannot be resolved as %s", status, decision))
	}
	if err := checkKind(*o.kind); err != nil && *o.kind != "" {
		faults = append(faults, config.Invalid("--kind", "%s", err))
	}
	switch {
	case o.from.IsZero() || o.to.IsZero():
		faults = append(faults, config.Invalid("--from", "and --to are required with --status"))
	case !o.from.Before(*o.to):
		faults = append(faults, config.Invalid("--from", "must be before --to"))
	}
	return config.Merge(faults...)
}

// resolvedEmail is one selected email, with its resulting status; in a dry run with its
// current one.
type resolvedEmail struct {
	email.Delivery
	Refused string `json:"refused,omitempty"` // why it was not resolved
}

// resolvedPage is the output of resolving many emails. More means that further emails
// match, and the same command continues with them.
type resolvedPage struct {
	DryRun bool            `json:"dryRun,omitempty"`
	Emails []resolvedEmail `json:"emails"`
	More   bool            `json:"more"`
}

// resolveBulk resolves the emails that a filter selects, one after the other. An email
// that has left its state meanwhile is refused, and the others continue. The completed
// ones are printed even if the rest fail.
func (r resolver) resolveBulk(ctx context.Context, w io.Writer, request resolution) error {
	picked, more, err := r.ledger.ListEmails(ctx, *request.filter)
	if err != nil {
		return fmt.Errorf("list emails: %w", err)
	}
	page := resolvedPage{DryRun: r.dryRun, Emails: []resolvedEmail{}, More: more}
	refusals := 0
	var failed error
	for _, d := range picked {
		row, err := r.resolve(ctx, email.Decision{
			OrderID: d.OrderID, Kind: d.Kind, Resolution: request.decision, Only: request.filter.Statuses[0],
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
	if err := request.output.print(w, page, page.printTable); err != nil || failed != nil {
		return errors.Join(failed, err)
	}
	if refusals > 0 {
		return fmt.Errorf("resolve emails: %d of %d were refused", refusals, len(page.Emails))
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
	return printTable(w, "ORDER\tKIND\tSTATUS\tATTEMPT\tUNKNOWN\tSINCE\tRESULT", rows, p.More)
}
