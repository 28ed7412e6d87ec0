package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
)

// maxDue bounds one answer of DueEmails.
const maxDue = 1000

// UnsettledEmails counts the mails that wait or are being sent, and those of which nobody knows whether they were sent.
func (s *Store) UnsettledEmails(ctx context.Context) (pending, unknown int64, err error) {
	err = s.transact(ctx, "count mails", func(batch *pgx.Batch) {
		batch.Queue(countUnsettled).QueryRow(func(row pgx.Row) error { return row.Scan(&pending, &unknown) })
	})
	return pending, unknown, err
}

// DueEmails finds mails that nothing has happened to for at least idle, and that a claim would do something about: they
// wait, their attempt's lease has ended, or they are unknown and their one resend is due. It answers 1 to 1000 of them at
// most, as limit says, those left alone the longest first. Others may claim them meanwhile: claim each before sending.
func (s *Store) DueEmails(ctx context.Context, idle time.Duration, limit int) ([]email.Due, error) {
	const op = "find due mails"
	if idle < 0 || limit < 1 || limit > maxDue {
		return nil, &Error{Op: op, Code: "limit", kind: fulfillment.ErrInvalid}
	}
	args := pgx.NamedArgs{"resend": s.config.Unknown == email.PolicyResend, "grace": s.config.Grace, "idle": idle, "limit": limit}
	var due []email.Due
	err := s.transact(ctx, op, func(batch *pgx.Batch) {
		batch.Queue(selectDue, args).Query(func(rows pgx.Rows) (err error) {
			due, err = pgx.CollectRows(rows, pgx.RowToStructByPos[email.Due])
			return err
		})
	})
	return due, err
}
