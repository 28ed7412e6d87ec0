package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
)

// ListEmails returns the emails that match a filter, those longest in their state first,
// and reports whether there are more than its limit. An attempt whose lease has ended is
// listed as unknown, even before anything claims it again.
func (l *EmailLedger) ListEmails(ctx context.Context, f email.Filter) (list []email.Delivery, more bool, err error) {
	args := pgx.NamedArgs{
		"statuses": statusTexts(f.Statuses), "kind": optional(string(f.Kind)), "from": optionalTime(f.From), "to": optionalTime(f.To),
		"rows": f.Limit + 1,
	}
	err = l.pool.transact(ctx, "list emails", func(batch *pgx.Batch) {
		list = []email.Delivery{}
		batch.Queue(selectOpenEmails, args).Query(func(rows pgx.Rows) error {
			var d email.Delivery
			_, err := pgx.ForEachRow(rows, []any{
				&d.OrderID, &d.Kind, &d.Status, &d.Attempt, &d.UnknownAttempts, &d.ErrorCode, &d.Since,
			}, func() error {
				d.Since = d.Since.UTC()
				list = append(list, d)
				return nil
			})
			return err
		})
	})
	if err != nil {
		return nil, false, err
	}
	return list[:min(f.Limit, len(list))], len(list) > f.Limit, nil
}

// CountUnsettledEmails counts the emails that wait or are being sent, and those of which
// it is unknown whether they were sent.
func (l *EmailLedger) CountUnsettledEmails(ctx context.Context) (pending, unknown int64, err error) {
	ctx, cancel := l.pool.withDeadline(ctx)
	defer cancel()
	err = l.pool.db.QueryRow(ctx, countUnsettled).Scan(&pending, &unknown)
	return pending, unknown, describe("count emails", err)
}

// ResolveEmail records an operator's decision about an email and returns the row after
// it. Repeating the same decision changes nothing. It returns *email.RefusedError if the
// email's state does not allow the decision, and ErrNotFound if the order has no such
// email.
//
// An email to be sent again is pending afterwards; the caller must then tell the
// OrderEmail workflow to claim it, see ClaimEmail. Each attempt that may have gone out
// before is already counted in the row, so the bound on how often an email is sent still
// holds.
func (l *EmailLedger) ResolveEmail(ctx context.Context, d email.Decision) (email.Delivery, error) {
	found, err := l.readResolvable(ctx, d, expireAttempt, resolveEmail)
	if err != nil {
		return email.Delivery{}, err
	}
	if _, to := d.Resolution.Transition(); found.Status != to {
		return found.Delivery, found.refusal(d)
	}
	return found.Delivery, nil
}

// PreviewResolution returns what ResolveEmail would return, without changing anything.
// The status is the email's current one.
func (l *EmailLedger) PreviewResolution(ctx context.Context, d email.Decision) (email.Delivery, error) {
	found, err := l.readResolvable(ctx, d)
	if err != nil {
		return email.Delivery{}, err
	}
	_, to := d.Resolution.Transition()
	if !d.Allows(found.Status) || to == email.StatusPending && found.Status != to && (found.erased || found.withdrawn) {
		return found.Delivery, found.refusal(d)
	}
	return found.Delivery, nil
}

const opResolve = "resolve email"

// readResolvable validates the decision, makes the changes while holding the order's
// lock, and returns the row after them.
func (l *EmailLedger) readResolvable(ctx context.Context, d email.Decision, changes ...string) (resolvable, error) {
	from, to := d.Resolution.Transition()
	if from == nil || len(d.MessageID) > email.MaxMessageID || d.MessageID != "" && d.Resolution != email.ResolutionSent {
		return resolvable{}, &Error{Op: opResolve, Code: "resolution", kind: fulfillment.ErrInvalid}
	}
	from = slices.DeleteFunc(from, func(status email.Status) bool { return !d.Allows(status) })
	args := l.rules.arguments(d.OrderID)
	args["kind"], args["resolution"], args["message_id"] = d.Kind, d.Resolution, optional(d.MessageID)
	args["from"], args["to"] = statusTexts(from), to
	var found resolvable
	err := l.pool.transact(ctx, opResolve, func(batch *pgx.Batch) {
		found = resolvable{}
		if len(changes) > 0 {
			batch.Queue(lockOrder, args)
		}
		for _, change := range changes {
			batch.Queue(change, args)
		}
		batch.Queue(selectResolvable, args).QueryRow(func(row pgx.Row) error {
			err := found.scan(row)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			return err
		})
	})
	if err == nil && found.Status == "" {
		err = fmt.Errorf("%s: %w", opResolve, ErrNotFound)
	}
	return found, err
}

// refusal returns the error for a row that could not be resolved as decided.
func (r *resolvable) refusal(d email.Decision) error {
	refused := &email.RefusedError{Decision: d, Status: r.Status, Erased: r.erased, Withdrawn: r.withdrawn}
	if r.leaseUntil != nil && r.Status == email.StatusSending {
		refused.LeaseUntil = *r.leaseUntil
	}
	return fmt.Errorf("%s: %w", opResolve, refused)
}

// resolvable is a row of the ledger, with the reasons that may keep it from being sent
// again.
type resolvable struct {
	email.Delivery
	leaseUntil        *time.Time
	erased, withdrawn bool
}

func (r *resolvable) scan(row pgx.Row) error {
	err := row.Scan(&r.OrderID, &r.Kind, &r.Status, &r.Attempt, &r.UnknownAttempts, &r.ErrorCode, &r.Since,
		&r.leaseUntil, &r.erased, &r.withdrawn)
	r.Since = r.Since.UTC()
	return err
}

func statusTexts(statuses []email.Status) []string {
	all := make([]string, len(statuses))
	for i, status := range statuses {
		all[i] = string(status)
	}
	return all
}
