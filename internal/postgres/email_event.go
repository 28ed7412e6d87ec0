package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"orderflow/internal/email"
)

// RecordEmailEvent records what the provider reports about an email, and returns the email
// as it was before. Every event proves that the provider accepted the email: one whose
// outcome was unknown is sent from then on. If the event says that its address takes no
// more email, ClaimEmail grants none to that address from then on. Events may arrive late,
// repeated and in any order. The result has StatusNone if there is no such email.
func (l *EmailLedger) RecordEmailEvent(ctx context.Context, e email.Event) (email.Recorded, error) {
	args := l.rules.arguments(e.OrderID)
	args["kind"], args["message_id"], args["progress"] = e.Kind, e.MessageID, e.Progress()
	args["at"], args["detail"], args["suppresses"] = e.At, optional(e.Detail), e.Suppresses()
	args["progresses"] = progressTexts()
	var found email.Recorded
	err := l.pool.transact(ctx, "record email event", func(batch *pgx.Batch) {
		found = email.Recorded{Before: email.StatusNone}
		batch.Queue(lockOrder, args)
		batch.Queue(selectReported, args).QueryRow(func(row pgx.Row) error {
			err := row.Scan(&found.Before, &found.CustomerID, &found.SourceEventID, &found.Trace.CorrelationID, &found.Trace.Traceparent)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			return err
		})
		batch.Queue(settleReported, args)
		if e.Progress() != "" {
			batch.Queue(recordProgress, args)
		}
	})
	return found, err
}

// ListSuppressions returns up to limit suppressed addresses, the newest first, and reports
// whether there are more.
func (l *EmailLedger) ListSuppressions(ctx context.Context, limit int) (list []email.Suppression, more bool, err error) {
	err = l.pool.transact(ctx, "list suppressed addresses", func(batch *pgx.Batch) {
		list = []email.Suppression{}
		batch.Queue(selectSuppressions, pgx.NamedArgs{"rows": limit + 1}).Query(func(rows pgx.Rows) error {
			var s email.Suppression
			_, err := pgx.ForEachRow(rows, []any{&s.OrderID, &s.Kind, &s.Reason, &s.Since}, func() error {
				s.Since = s.Since.UTC()
				list = append(list, s)
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

// AllowEmails removes the addresses of an order's emails from the suppressed ones, and
// returns how many it removed.
func (l *EmailLedger) AllowEmails(ctx context.Context, orderID string) (removed int64, err error) {
	err = l.pool.transact(ctx, "allow emails", func(batch *pgx.Batch) {
		batch.Queue(deleteSuppression, pgx.NamedArgs{"order_id": orderID}).Exec(func(tag pgconn.CommandTag) error {
			removed = tag.RowsAffected()
			return nil
		})
	})
	return removed, err
}

func progressTexts() []string {
	var all []string
	for _, p := range email.Progresses() {
		all = append(all, string(p))
	}
	return all
}
