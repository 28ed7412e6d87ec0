package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
)

// maxMessageID is the longest message id the ledger takes, in bytes.
const maxMessageID = 256

// ListEmails reads the mails in any of these states, which are pending, sending, unknown and failed, oldest first: at most
// limit of them, and whether there are more. An attempt whose lease has ended is unknown here, before anybody finds it.
func (s *Store) ListEmails(ctx context.Context, statuses []email.Status, limit int) (list []email.Delivery, more bool, err error) {
	args := pgx.NamedArgs{"statuses": texts(statuses), "rows": limit + 1}
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
	return list[:min(limit, len(list))], len(list) > limit, nil
}

// ResolveEmail records what an operator decided about a mail, and answers the row as it is then. The message id may be
// given with sent alone, and may be empty. The same again changes nothing. It returns *email.RefusedError when the mail's
// state does not allow it, and ErrNotFound when no such mail is due to the order.
//
// A mail to be sent again is pending afterwards, and somebody has to ask for it: see ClaimEmail. Each attempt that may have
// gone out before is counted in the row already, so the bound on how often a mail goes out stays true.
func (s *Store) ResolveEmail(ctx context.Context, orderID string, kind email.Kind, r email.Resolution, messageID string) (email.Delivery, error) {
	const op = "resolve mail"
	from, to := r.Transition()
	if from == nil || len(messageID) > maxMessageID || messageID != "" && r != email.ResolutionSent {
		return email.Delivery{}, &Error{Op: op, Code: "resolution", kind: fulfillment.ErrInvalid}
	}
	args := s.arguments(orderID)
	args["kind"], args["resolution"], args["message_id"] = kind, r, optional(messageID)
	args["from"], args["to"] = texts(from), to
	var found resolvable
	err := s.transact(ctx, op, func(batch *pgx.Batch) {
		found = resolvable{}
		batch.Queue(lockOrder, args)
		batch.Queue(expireAttempt, args)
		batch.Queue(resolveMail, args)
		batch.Queue(selectResolvable, args).QueryRow(func(row pgx.Row) error {
			err := found.scan(row)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			return err
		})
	})
	switch {
	case err != nil:
		return email.Delivery{}, err
	case found.Status == "":
		return email.Delivery{}, fmt.Errorf("%s: %w", op, ErrNotFound)
	case found.Status != to:
		refused := &email.RefusedError{Resolution: r, Status: found.Status, Erased: found.erased, Withdrawn: found.withdrawn}
		if found.leaseUntil != nil {
			refused.LeaseUntil = *found.leaseUntil
		}
		return found.Delivery, fmt.Errorf("%s: %w", op, refused)
	}
	return found.Delivery, nil
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
