package postgres

import "context"

// UnsettledEmails counts the mails that wait or are being sent, and those of which nobody knows whether they were sent.
func (s *Store) UnsettledEmails(ctx context.Context) (pending, unknown int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	err = s.pool.QueryRow(ctx, countUnsettled).Scan(&pending, &unknown)
	return pending, unknown, describe("count mails", err)
}
