package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// UnsettledEmails counts the mails that wait or are being sent, and those of which nobody knows whether they were sent.
func (s *Store) UnsettledEmails(ctx context.Context) (pending, unknown int64, err error) {
	err = s.transact(ctx, "count mails", func(batch *pgx.Batch) {
		batch.Queue(countUnsettled).QueryRow(func(row pgx.Row) error { return row.Scan(&pending, &unknown) })
	})
	return pending, unknown, err
}
