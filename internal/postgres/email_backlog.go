package postgres

import "context"

// UnsettledEmails counts the emails that wait or are being sent, and those of which it is
// unknown whether they were sent.
func (s *Store) UnsettledEmails(ctx context.Context) (pending, unknown int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	err = s.pool.QueryRow(ctx, countUnsettled).Scan(&pending, &unknown)
	return pending, unknown, describe("count emails", err)
}
