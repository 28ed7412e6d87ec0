package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/correlation"
)

// Version is one version of an order's row, as the history stores it.
type Version struct {
	ID        int64 // in the history; rises within an order, but does not tell the order of commits
	OrderID   string
	Revision  int64
	EventType string
	Old, New  []byte    // the row before and after, as JSON; Old is nil for the first version
	At        time.Time // when it was written or, if read from the log, committed
	Trace     correlation.Trace
}

// Size returns roughly how many bytes the version occupies in memory.
func (v Version) Size() int {
	const fixed = 200
	return fixed + len(v.OrderID) + len(v.EventType) + len(v.Old) + len(v.New)
}

// selectHistory reads versions in the order of their ids, which is that of the primary
// key.
const selectHistory = `
SELECT id, order_id, revision, event_type, old::text, new::text, at,
    coalesce(correlation_id, ''), coalesce(traceparent, '') FROM order_fulfillment_history
WHERE id > @after AND id <= @through ORDER BY id LIMIT @limit`

// selectOrderHistory reads the versions of one order.
const selectOrderHistory = `
SELECT id, order_id, revision, event_type, old::text, new::text, at,
    coalesce(correlation_id, ''), coalesce(traceparent, '') FROM order_fulfillment_history
WHERE order_id = @order_id AND revision >= @from ORDER BY revision LIMIT @limit`

// selectHistoryLag reads the seconds since the oldest version above an id or since a
// moment, whichever is longer. least ignores NULL, and so does greatest.
const selectHistoryLag = `
SELECT greatest(0, extract(epoch FROM clock_timestamp() - least($2::timestamptz,
    (SELECT at FROM order_fulfillment_history WHERE id > $1 ORDER BY id LIMIT 1))))::float8`

// selectHistoryHead reads the highest id, and takes a number for this transaction.
const selectHistoryHead = `
SELECT coalesce(max(id), 0), pg_current_xact_id()::text::bigint FROM order_fulfillment_history`

// selectSettled reads whether every transaction below a number has ended, and where the
// log ends.
const selectSettled = `
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= $1, pg_current_wal_insert_lsn()::text`

// selectHasOlder reads whether there is a version to prune. clock_timestamp() in place of
// now() would prevent the use of the index.
const selectHasOlder = `
SELECT EXISTS (SELECT FROM order_fulfillment_history h WHERE h.at < now() - $1::interval
    AND NOT EXISTS (SELECT FROM publisher_set_aside a WHERE a.order_id = h.order_id))`

// pruneHistory deletes a bounded number of old versions, through the only function that
// may.
const pruneHistory = `SELECT pruned, last FROM prune_order_fulfillment_history($1, clock_timestamp() - $2::interval, $3)`

// pageBytes ends a page early. Versions are small, but a few large ones must not fill the
// memory.
const pageBytes = 8 << 20

// History is the append-only history of the orders' rows, which a trigger writes. It is
// safe for concurrent use.
type History struct{ pool *Pool }

// NewHistory returns the history in the pool's database.
func NewHistory(pool *Pool) *History { return &History{pool: pool} }

// Page returns the versions with ids above after and up to through, sorted by id.
// It returns at most limit versions, or fewer if they are large. No versions means that
// there are no more.
func (h *History) Page(ctx context.Context, after, through int64, limit int) ([]Version, error) {
	return h.versions(ctx, "read history", selectHistory, pgx.NamedArgs{"after": after, "through": through, "limit": limit})
}

// OrderPage returns the versions of one order from a revision on, sorted by revision.
// It limits a page as Page does.
func (h *History) OrderPage(ctx context.Context, orderID string, from int64, limit int) ([]Version, error) {
	return h.versions(ctx, "read history of order", selectOrderHistory,
		pgx.NamedArgs{"order_id": orderID, "from": from, "limit": limit})
}

func (h *History) versions(ctx context.Context, op, query string, args pgx.NamedArgs) ([]Version, error) {
	ctx, cancel := h.pool.withDeadline(ctx)
	defer cancel()
	rows, err := h.pool.db.Query(ctx, query, args)
	if err != nil {
		return nil, describe(op, err)
	}
	defer rows.Close()
	var versions []Version
	for size := 0; size < pageBytes && rows.Next(); {
		var v Version
		err := rows.Scan(&v.ID, &v.OrderID, &v.Revision, &v.EventType, &v.Old, &v.New, &v.At,
			&v.Trace.CorrelationID, &v.Trace.Traceparent)
		if err != nil {
			return nil, describe(op, err)
		}
		versions, size = append(versions, v), size+v.Size()
	}
	rows.Close() // discards the rest of a page that was cut short
	return versions, describe(op, rows.Err())
}

// Lag returns the age of the oldest version with an id above after, or the time
// since the given moment of the server's clock if that is longer. It returns 0 if there
// is neither; a zero since is ignored.
func (h *History) Lag(ctx context.Context, after int64, since time.Time) (lag time.Duration, err error) {
	ctx, cancel := h.pool.withDeadline(ctx)
	defer cancel()
	var other *time.Time
	if !since.IsZero() {
		other = &since
	}
	var seconds float64
	err = h.pool.db.QueryRow(ctx, selectHistoryLag, after, other).Scan(&seconds)
	return time.Duration(seconds * float64(time.Second)), describe("measure lag", err)
}

// HistoryHead describes the end of the history at one moment: the ids assigned so far,
// and the transactions that may still commit one of them.
type HistoryHead struct {
	LastID int64
	open   int64 // transactions with lower numbers may be under way
}

// Head reads where the history ends now. Versions with lower ids may still be
// uncommitted: Settled reports when there are none.
//
// It takes a transaction number for this, which writes a few bytes to the log. A snapshot
// alone is not enough: its xmax is one past the highest transaction that has ended, and
// transactions above it may be under way. A newly assigned number is above all of them.
// It is assigned after the statement's snapshot was taken, so every transaction that had
// an id by then is below it.
func (h *History) Head(ctx context.Context) (HistoryHead, error) {
	ctx, cancel := h.pool.withDeadline(ctx)
	defer cancel()
	var head HistoryHead
	err := h.pool.db.QueryRow(ctx, selectHistoryHead).Scan(&head.LastID, &head.open)
	return head, describe("read end of history", err)
}

// Settled reports whether every transaction that was under way at the moment of head has
// committed or rolled back. If so, those that committed did so below the returned
// position, and every statement from now on sees them. A transaction takes its number
// before it takes an id, so no version with an id up to LastID can appear later.
func (h *History) Settled(ctx context.Context, head HistoryHead) (settled bool, below LSN, err error) {
	ctx, cancel := h.pool.withDeadline(ctx)
	defer cancel()
	var position string
	err = h.pool.db.QueryRow(ctx, selectSettled, head.open).Scan(&settled, &position)
	if err == nil {
		below, err = parseLSN(position)
	}
	return settled, below, describe("look for open transactions", err)
}

// HasOlderThan reports whether Prune would find a version of that age. It only
// reads, and from an index.
func (h *History) HasOlderThan(ctx context.Context, age time.Duration) (older bool, err error) {
	ctx, cancel := h.pool.withDeadline(ctx)
	defer cancel()
	err = h.pool.db.QueryRow(ctx, selectHasOlder, age).Scan(&older)
	return older, describe("look for old history", err)
}

// Pruned is what one call of Prune deleted.
type Pruned struct {
	Versions int64
	Last     *time.Time // of the newest of them: where the next call begins; nil if there was none
}

// Prune deletes versions older than an age with ids up to through, from the oldest one or,
// if since is not nil, from that time on. It deletes a bounded number of them per call.
// Versions of orders that are set aside are kept.
//
// Deleted versions stay in the index until a vacuum, and a call without since reads them
// all again. So pass Last to the next call, but begin without one from time to time:
// older versions may be committed, and orders released, later.
func (h *History) Prune(ctx context.Context, since *time.Time, age time.Duration, through int64) (p Pruned, err error) {
	ctx, cancel := h.pool.withDeadline(ctx)
	defer cancel()
	err = h.pool.db.QueryRow(ctx, pruneHistory, since, age, through).Scan(&p.Versions, &p.Last)
	return p, describe("prune history", err)
}
