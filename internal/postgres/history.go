package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Version is one version of an order's row, as the history keeps it.
type Version struct {
	ID        int64 // in the history; rises within an order, and says nothing about which transaction committed first
	OrderID   string
	Revision  int64
	EventType string
	Old, New  []byte    // images of the row, JSON; the first version has no old one
	At        time.Time // when it was written or, in the stream, committed
}

// Size is how many bytes the version takes up, about.
func (v Version) Size() int {
	const fixed = 200
	return fixed + len(v.OrderID) + len(v.EventType) + len(v.Old) + len(v.New)
}

// pageBytes ends a page early: versions are small, and a few that are not must not fill the memory.
const pageBytes = 8 << 20

// HistoryPage reads the versions behind id after and up to id through, in the order of their ids: limit of them, or
// fewer when they are big. No versions means that there are no more.
func (s *Store) HistoryPage(ctx context.Context, after, through int64, limit int) ([]Version, error) {
	return s.versions(ctx, "read history", `
SELECT id, order_id, revision, event_type, old::text, new::text, at FROM order_fulfillment_history
WHERE id > @after AND id <= @through ORDER BY id LIMIT @limit`,
		pgx.NamedArgs{"after": after, "through": through, "limit": limit})
}

// OrderHistory reads versions of one order in their order, from a revision on, as HistoryPage does.
func (s *Store) OrderHistory(ctx context.Context, orderID string, from int64, limit int) ([]Version, error) {
	return s.versions(ctx, "read history of order", `
SELECT id, order_id, revision, event_type, old::text, new::text, at FROM order_fulfillment_history
WHERE order_id = @order_id AND revision >= @from ORDER BY revision LIMIT @limit`,
		pgx.NamedArgs{"order_id": orderID, "from": from, "limit": limit})
}

func (s *Store) versions(ctx context.Context, op, query string, args pgx.NamedArgs) ([]Version, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	rows, err := s.pool.Query(ctx, query, args)
	if err != nil {
		return nil, describe(op, err)
	}
	defer rows.Close()
	var versions []Version
	for size := 0; size < pageBytes && rows.Next(); {
		var v Version
		if err := rows.Scan(&v.ID, &v.OrderID, &v.Revision, &v.EventType, &v.Old, &v.New, &v.At); err != nil {
			return nil, describe(op, err)
		}
		versions, size = append(versions, v), size+v.Size()
	}
	rows.Close() // passes over what is left of a page that was cut short
	return versions, describe(op, rows.Err())
}

// HistoryLag returns the age of the oldest version with an id above after, or the time since a moment of the server's clock if
// that is longer; 0 when there is neither. A zero since is none.
func (s *Store) HistoryLag(ctx context.Context, after int64, since time.Time) (lag time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	var other *time.Time
	if !since.IsZero() {
		other = &since
	}
	var seconds float64
	err = s.pool.QueryRow(ctx, `
SELECT greatest(0, extract(epoch FROM clock_timestamp() - least($2::timestamptz,
    (SELECT at FROM order_fulfillment_history WHERE id > $1 ORDER BY id LIMIT 1))))::float8`, after, other).Scan(&seconds)
	return time.Duration(seconds * float64(time.Second)), describe("measure lag", err)
}

// HistoryHead is a moment in the history's life: the ids given out so far, and the transactions that may still bring one
// of them.
type HistoryHead struct {
	LastID int64
	open   int64 // transactions below this one may be under way
}

// HistoryHead reads where the history ends now. Versions with lower ids may be under way: Settled says when none is.
//
// It takes a transaction number for it, which writes a few bytes to the log. A snapshot alone would not do: its xmax is one
// past the highest transaction that has ended, and transactions above that may be under way. A number that is given out
// is above all of them. It is given out after the statement's snapshot was taken, so whoever had an id by then is below it.
func (s *Store) HistoryHead(ctx context.Context) (HistoryHead, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	var h HistoryHead
	err := s.pool.QueryRow(ctx, `
SELECT coalesce(max(id), 0), pg_current_xact_id()::text::bigint FROM order_fulfillment_history`).
		Scan(&h.LastID, &h.open)
	return h, describe("read end of history", err)
}

// Settled reports whether every transaction that was under way at that moment has ended, whichever way. Then those that
// committed did so below the position that comes with it, and every statement from here on sees them. A transaction takes
// its number before it takes an id, so what was then to come has come: no version with an id up to LastID appears later.
func (s *Store) Settled(ctx context.Context, h HistoryHead) (settled bool, below LSN, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	var position string
	err = s.pool.QueryRow(ctx, `
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= $1, pg_current_wal_insert_lsn()::text`, h.open).
		Scan(&settled, &position)
	if err == nil {
		below, err = parseLSN(position)
	}
	return settled, below, describe("look for open transactions", err)
}

// HasAged reports whether PruneHistory would find a version of that age. It only reads, by the index: clock_timestamp() would keep it from that.
func (s *Store) HasAged(ctx context.Context, age time.Duration) (aged bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	err = s.pool.QueryRow(ctx, `
SELECT EXISTS (SELECT FROM order_fulfillment_history h WHERE h.at < now() - $1::interval
    AND NOT EXISTS (SELECT FROM publisher_set_aside a WHERE a.order_id = h.order_id))`, age).Scan(&aged)
	return aged, describe("look for old history", err)
}

// PruneHistory drops versions older than an age, with ids up to through, a bounded number of them, and answers how many.
// Orders that are set aside keep theirs.
func (s *Store) PruneHistory(ctx context.Context, age time.Duration, through int64) (pruned int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	err = s.pool.QueryRow(ctx, `SELECT prune_order_fulfillment_history(clock_timestamp() - $1::interval, $2)`,
		age, through).Scan(&pruned)
	return pruned, describe("prune history", err)
}
