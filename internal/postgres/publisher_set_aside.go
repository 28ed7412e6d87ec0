package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// SetAside is an order with a version that could not be published, and the reason. It
// holds no personal data.
type SetAside struct {
	OrderID  string
	Revision int64 // of the version that could not be published
	Through  int64 // revision of the newest version that waits behind it
	Code     string
	Detail   string
	At       time.Time
}

// SetAside sets an order's version aside, with the reason. If several versions of an
// order are set aside, the first revision and the last reason are kept.
func (s *PublisherState) SetAside(ctx context.Context, a SetAside) error {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	_, err := s.pool.db.Exec(ctx, `
INSERT INTO publisher_set_aside AS a (order_id, revision, through, code, detail) VALUES ($1, $2, $2, $3, $4)
ON CONFLICT (order_id) DO UPDATE SET revision = least(a.revision, excluded.revision),
    through = greatest(a.through, excluded.through), code = excluded.code, detail = excluded.detail,
    updated_at = clock_timestamp()`, a.OrderID, a.Revision, a.Code, a.Detail)
	return describe("set aside", err)
}

// ExtendSetAside queues a version behind those of its order that are set aside, and reports
// whether the order is set aside.
func (s *PublisherState) ExtendSetAside(ctx context.Context, orderID string, revision int64) (bool, error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	done, err := s.pool.db.Exec(ctx, `
UPDATE publisher_set_aside SET through = greatest(through, $2), updated_at = clock_timestamp() WHERE order_id = $1`,
		orderID, revision)
	return done.RowsAffected() > 0, describe("defer", err)
}

// RemoveSetAside removes an order's entry if no version after the published revision waits, and
// reports whether it did.
func (s *PublisherState) RemoveSetAside(ctx context.Context, orderID string, published int64) (bool, error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	done, err := s.pool.db.Exec(ctx, `DELETE FROM publisher_set_aside WHERE order_id = $1 AND through <= $2`, orderID, published)
	return done.RowsAffected() > 0, describe("take back", err)
}

// FindSetAside returns one order's entry, or ErrNotFound if the order is not set aside.
func (s *PublisherState) FindSetAside(ctx context.Context, orderID string) (SetAside, error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	row := s.pool.db.QueryRow(ctx, selectSetAside+` WHERE order_id = $1`, orderID)
	a, err := scanSetAside(row)
	if errors.Is(err, pgx.ErrNoRows) {
		return SetAside{}, ErrNotFound
	}
	return a, describe("find set aside", err)
}

// ListSetAside returns the entries that follow an order id, sorted by it: at most limit,
// and at most 1,000.
func (s *PublisherState) ListSetAside(ctx context.Context, orderID string, limit int) ([]SetAside, error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	rows, err := s.pool.db.Query(ctx, selectSetAside+` WHERE order_id > $1 ORDER BY order_id LIMIT $2`, orderID, min(limit, maxListed))
	if err != nil {
		return nil, describe("list set aside", err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (SetAside, error) { return scanSetAside(row) })
	return entries, describe("list set aside", err)
}

// CountSetAside counts the orders that are set aside.
func (s *PublisherState) CountSetAside(ctx context.Context) (orders int64, err error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	err = s.pool.db.QueryRow(ctx, `SELECT count(*) FROM publisher_set_aside`).Scan(&orders)
	return orders, describe("count set aside", err)
}

const selectSetAside = `SELECT order_id, revision, through, code, detail, at FROM publisher_set_aside`

func scanSetAside(row pgx.Row) (a SetAside, err error) {
	err = row.Scan(&a.OrderID, &a.Revision, &a.Through, &a.Code, &a.Detail, &a.At)
	a.At = a.At.UTC()
	return a, err
}
