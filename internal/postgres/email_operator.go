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

// maxMessageID is the longest message id the ledger takes, in bytes.
const maxMessageID = 256

// ListEmails reads the emails that a filter picks, those longest in their state first, and reports whether there are more
// than its limit. An attempt whose lease has ended is unknown here, before anything claims it.
func (s *Store) ListEmails(ctx context.Context, f email.Filter) (list []email.Delivery, more bool, err error) {
	args := pgx.NamedArgs{
		"statuses": texts(f.Statuses), "kind": optional(string(f.Kind)), "from": optionalTime(f.From), "to": optionalTime(f.To),
		"rows": f.Limit + 1,
	}
	err = s.transact(ctx, "list mails", func(batch *pgx.Batch) {
		list = []email.Delivery{}
		batch.Queue(selectOpenMails, args).Query(func(rows pgx.Rows) error {
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

// optionalTime is nil for the zero time.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// ResolveEmail records what an operator decided about an email, and returns the row as it is then. The same again changes
// nothing. It returns *email.RefusedError if the email's state does not allow it, and ErrNotFound if no such email is due to
// the order.
//
// An email to be sent again is pending afterwards, and OrderEmail has to be asked to claim it: see ClaimEmail. Each attempt
// that may have gone out before is counted in the row already, so the bound on how often an email goes out stays true.
func (s *Store) ResolveEmail(ctx context.Context, d email.Decision) (email.Delivery, error) {
	found, err := s.readResolvable(ctx, d, expireAttempt, resolveMail)
	if err != nil {
		return email.Delivery{}, err
	}
	if _, to := d.Resolution.Transition(); found.Status != to {
		return found.Delivery, found.refusal(d)
	}
	return found.Delivery, nil
}

// PreviewResolution returns what ResolveEmail would, and changes nothing. The status is the one the email has now.
func (s *Store) PreviewResolution(ctx context.Context, d email.Decision) (email.Delivery, error) {
	found, err := s.readResolvable(ctx, d)
	if err != nil {
		return email.Delivery{}, err
	}
	_, to := d.Resolution.Transition()
	if !d.Allows(found.Status) || to == email.StatusPending && found.Status != to && (found.erased || found.withdrawn) {
		return found.Delivery, found.refusal(d)
	}
	return found.Delivery, nil
}

const opResolve = "resolve mail"

// readResolvable checks the decision, makes the changes under the order's lock, and reads the row as it is then.
func (s *Store) readResolvable(ctx context.Context, d email.Decision, changes ...string) (resolvable, error) {
	from, to := d.Resolution.Transition()
	if from == nil || len(d.MessageID) > maxMessageID || d.MessageID != "" && d.Resolution != email.ResolutionSent {
		return resolvable{}, &Error{Op: opResolve, Code: "resolution", kind: fulfillment.ErrInvalid}
	}
	from = slices.DeleteFunc(from, func(status email.Status) bool { return !d.Allows(status) })
	args := s.arguments(d.OrderID)
	args["kind"], args["resolution"], args["message_id"] = d.Kind, d.Resolution, optional(d.MessageID)
	args["from"], args["to"] = texts(from), to
	var found resolvable
	err := s.transact(ctx, opResolve, func(batch *pgx.Batch) {
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

// refusal says why the row could not be resolved as decided.
func (r *resolvable) refusal(d email.Decision) error {
	refused := &email.RefusedError{Decision: d, Status: r.Status, Erased: r.erased, Withdrawn: r.withdrawn}
	if r.leaseUntil != nil && r.Status == email.StatusSending {
		refused.LeaseUntil = *r.leaseUntil
	}
	return fmt.Errorf("%s: %w", opResolve, refused)
}

// resolvable is a row of the ledger with what may keep it from being sent again.
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

func texts(statuses []email.Status) []string {
	all := make([]string, len(statuses))
	for i, status := range statuses {
		all[i] = string(status)
	}
	return all
}
