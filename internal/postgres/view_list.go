package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/internal/view"
)

// The statements of lists. Each reads one page of a list, newest first, in the columns of
// selectOrders. @before_placed and @before_order are the place of the last order of the
// page before, so that a page begins there whatever was written since. An order whose time
// is not known has the time -infinity in a list.
const (
	// listOrders reads a page of each status and merges them: no index has the orders of
	// all statuses in this order.
	listOrders = `
SELECT o.order_id, o.customer_id, o.status, o.reason, o.total_minor, coalesce(o.currency, ''), o.credit, o.carrier,
    o.tracking_number, o.placed_at, o.updated_at, o.order_revision, o.credit_revision, o.fulfillment_revision,
    o.correlation_id, o.traceparent, o.hold_until, greatest(o.parcels, (o.status = 'shipped')::integer)
FROM unnest(@statuses::text[]) AS wanted (status), LATERAL (
    SELECT * FROM customer_order c
    WHERE c.status = wanted.status AND coalesce(c.placed_at, '-infinity') >= @placed_from
        AND (coalesce(c.placed_at, '-infinity'), c.order_id) < (@before_placed, @before_order)
    ORDER BY coalesce(c.placed_at, '-infinity') DESC, c.order_id DESC LIMIT @limit
) AS o
ORDER BY coalesce(o.placed_at, '-infinity') DESC, o.order_id DESC LIMIT @limit`

	// listReasonOrders does the same for the orders with a reason.
	listReasonOrders = `
SELECT o.order_id, o.customer_id, o.status, o.reason, o.total_minor, coalesce(o.currency, ''), o.credit, o.carrier,
    o.tracking_number, o.placed_at, o.updated_at, o.order_revision, o.credit_revision, o.fulfillment_revision,
    o.correlation_id, o.traceparent, o.hold_until, greatest(o.parcels, (o.status = 'shipped')::integer)
FROM unnest(@statuses::text[]) AS wanted (status), LATERAL (
    SELECT * FROM customer_order c
    WHERE c.reason = @reason AND c.reason <> '' AND c.status = wanted.status AND coalesce(c.placed_at, '-infinity') >= @placed_from
        AND (coalesce(c.placed_at, '-infinity'), c.order_id) < (@before_placed, @before_order)
    ORDER BY coalesce(c.placed_at, '-infinity') DESC, c.order_id DESC LIMIT @limit
) AS o
ORDER BY coalesce(o.placed_at, '-infinity') DESC, o.order_id DESC LIMIT @limit`

	// listCustomerOrders reads a page of a customer's orders. Status and reason are no part
	// of the index: a customer has few orders.
	listCustomerOrders = `
SELECT order_id, customer_id, status, reason, total_minor, coalesce(currency, ''), credit, carrier,
    tracking_number, placed_at, updated_at, order_revision, credit_revision, fulfillment_revision,
    correlation_id, traceparent, hold_until, greatest(parcels, (status = 'shipped')::integer)
FROM customer_order
WHERE customer_id = @customer AND status = ANY(@statuses::text[]) AND (@reason = '' OR reason = @reason)
    AND coalesce(placed_at, '-infinity') >= @placed_from
    AND (coalesce(placed_at, '-infinity'), order_id) < (@before_placed, @before_order)
ORDER BY coalesce(placed_at, '-infinity') DESC, order_id DESC LIMIT @limit`

	// listLateOrders reads a page of the orders that are late, as selectState says it. The
	// row's index finds them. The status is the row's: the view may be behind.
	listLateOrders = `
SELECT o.order_id, o.customer_id, o.status, o.reason, o.total_minor, coalesce(o.currency, ''), o.credit, o.carrier,
    o.tracking_number, o.placed_at, o.updated_at, o.order_revision, o.credit_revision, o.fulfillment_revision,
    o.correlation_id, o.traceparent, o.hold_until, greatest(o.parcels, (o.status = 'shipped')::integer)
FROM order_fulfillment f JOIN customer_order o ON o.order_id = f.order_id
WHERE f.status = 'fulfilling' AND f.ship_by <= now() AND o.status = ANY(@statuses::text[])
    AND (@customer = '' OR o.customer_id = @customer) AND (@reason = '' OR o.reason = @reason)
    AND coalesce(o.placed_at, '-infinity') >= @placed_from
    AND (coalesce(o.placed_at, '-infinity'), o.order_id) < (@before_placed, @before_order)
ORDER BY coalesce(o.placed_at, '-infinity') DESC, o.order_id DESC LIMIT @limit`

	// selectLongestHeld reads the orders that have been on hold, by the time at which they
	// were placed, for the longest.
	selectLongestHeld = `
SELECT order_id, customer_id, status, reason, total_minor, coalesce(currency, ''), credit, carrier,
    tracking_number, placed_at, updated_at, order_revision, credit_revision, fulfillment_revision,
    correlation_id, traceparent, hold_until, greatest(parcels, (status = 'shipped')::integer)
FROM customer_order WHERE status = 'on-hold' ORDER BY coalesce(placed_at, '-infinity'), order_id LIMIT $1`

	// selectUnknownEmails reads emails of which it is unknown whether they were sent.
	selectUnknownEmails = `
SELECT order_id, kind, status, attempt, unknown_attempts, coalesce(error_code, ''), updated_at,
    coalesce(progress, ''), coalesce(progress_detail, '')
FROM email_delivery WHERE status = 'unknown' LIMIT $1`

	// countUnknownEmails counts them up to a limit.
	countUnknownEmails = `SELECT count(*) FROM (SELECT FROM email_delivery WHERE status = 'unknown' LIMIT $1) AS counted`

	// selectOrderCounts reads how many orders have each status.
	selectOrderCounts = `SELECT status, orders FROM customer_order_count`

	// selectOrderHours reads how many orders were placed, or reached their end, in each hour.
	selectOrderHours = `SELECT hour, figure, orders FROM customer_order_hour WHERE hour BETWEEN $1 AND $2`
)

// OrderPlace is the place of an order in a list. A zero time is not known.
type OrderPlace struct {
	PlacedAt time.Time
	OrderID  string
}

// OrderFilter selects orders of the view. A zero field selects all.
type OrderFilter struct {
	Status      order.Status
	CustomerID  string
	Reason      order.Reason
	PlacedAfter time.Time
	Late        bool       // only orders that wait longer for their shipment than they should
	After       OrderPlace // the last order of the page before
}

// OrderPage is a page of a list of orders.
type OrderPage struct {
	Orders   []view.Order // newest first
	More     bool         // older orders follow
	Position ViewPosition // how far the log was projected
}

// ListOrders returns a page of at most limit orders.
func (v *CustomerView) ListOrders(ctx context.Context, f OrderFilter, limit int) (page OrderPage, err error) {
	err = v.readSnapshot(ctx, "list orders", func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, f.statement(), freshPlan, f.arguments(limit+1))
		if err != nil {
			return err
		}
		if page.Orders, err = pgx.CollectRows(rows, scanViewOrder); err != nil {
			return err
		}
		if page.More = len(page.Orders) > limit; page.More {
			page.Orders = page.Orders[:limit]
		}
		page.Position, err = readPosition(ctx, tx, ProjectionLive)
		return err
	})
	return page, err
}

func (f OrderFilter) statement() string {
	switch {
	case f.Late:
		return listLateOrders
	case f.CustomerID != "":
		return listCustomerOrders
	case f.Reason != "":
		return listReasonOrders
	default:
		return listOrders
	}
}

func (f OrderFilter) arguments(limit int) pgx.NamedArgs {
	statuses := view.Statuses()
	if f.Status != "" {
		statuses = []order.Status{f.Status}
	}
	from, before := infinity(pgtype.NegativeInfinity), infinity(pgtype.Infinity)
	if !f.PlacedAfter.IsZero() { // the server keeps microseconds
		from = pgtype.Timestamptz{Time: f.PlacedAfter.Truncate(time.Microsecond).Add(time.Microsecond), Valid: true}
	}
	switch {
	case !f.After.PlacedAt.IsZero():
		before = pgtype.Timestamptz{Time: f.After.PlacedAt, Valid: true}
	case f.After.OrderID != "":
		before = infinity(pgtype.NegativeInfinity)
	}
	return pgx.NamedArgs{
		"statuses": statuses, "customer": f.CustomerID, "reason": f.Reason, "placed_from": from,
		"before_placed": before, "before_order": f.After.OrderID, "limit": limit,
	}
}

func infinity(which pgtype.InfinityModifier) pgtype.Timestamptz {
	return pgtype.Timestamptz{InfinityModifier: which, Valid: true}
}

// OrderStats are figures about all orders of the view.
type OrderStats struct {
	Statuses map[order.Status]int64 // orders with each status that occurs
	Hours    map[time.Time]OrderHour
	Position ViewPosition // how far the log was projected
}

// OrderHour counts the orders that were placed, or reached their end, in an hour.
type OrderHour struct {
	Placed    int64 `json:"placed"`
	Shipped   int64 `json:"shipped"`
	Rejected  int64 `json:"rejected"`
	Cancelled int64 `json:"cancelled"`
}

// OrderStats returns the figures, with the hours of UTC that begin in a time range, all
// read in one snapshot.
func (v *CustomerView) OrderStats(ctx context.Context, from, through time.Time) (stats OrderStats, err error) {
	stats.Statuses, stats.Hours = map[order.Status]int64{}, map[time.Time]OrderHour{}
	err = v.readSnapshot(ctx, "read figures about orders", func(ctx context.Context, tx pgx.Tx) (err error) {
		if err := stats.readCounts(ctx, tx, from, through); err != nil {
			return err
		}
		stats.Position, err = readPosition(ctx, tx, ProjectionLive)
		return err
	})
	return stats, err
}

func (s *OrderStats) readCounts(ctx context.Context, tx pgx.Tx, from, through time.Time) error {
	rows, err := tx.Query(ctx, selectOrderCounts)
	if err != nil {
		return err
	}
	var status order.Status
	var orders int64
	if _, err := pgx.ForEachRow(rows, []any{&status, &orders}, func() error { s.Statuses[status] = orders; return nil }); err != nil {
		return err
	}
	if rows, err = tx.Query(ctx, selectOrderHours, from, through); err != nil {
		return err
	}
	var begin time.Time
	var figure string
	_, err = pgx.ForEachRow(rows, []any{&begin, &figure, &orders}, func() error {
		hour := s.Hours[begin.UTC()]
		hour.set(figure, orders)
		s.Hours[begin.UTC()] = hour
		return nil
	})
	return err
}

func (h *OrderHour) set(figure string, orders int64) {
	switch figure {
	case "placed":
		h.Placed = orders
	case "shipped":
		h.Shipped = orders
	case "rejected":
		h.Rejected = orders
	case "cancelled":
		h.Cancelled = orders
	}
}

// Attention is what waits for a person, as far as PostgreSQL knows it.
type Attention struct {
	Held    []view.Order     // on hold, those that were placed first
	Unknown []email.Delivery // emails of which it is unknown whether they were sent
	Emails  int              // the number of such emails, counted up to a limit
}

// FindAttention returns at most limit orders and emails, and counts emails up to counted.
func (v *CustomerView) FindAttention(ctx context.Context, limit, counted int) (found Attention, err error) {
	err = v.readSnapshot(ctx, "find what waits for a person", func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, selectLongestHeld, freshPlan, limit)
		if err != nil {
			return err
		}
		if found.Held, err = pgx.CollectRows(rows, scanViewOrder); err != nil {
			return err
		}
		if rows, err = tx.Query(ctx, selectUnknownEmails, limit); err != nil {
			return err
		}
		if found.Unknown, err = pgx.CollectRows(rows, pgx.RowToStructByPos[email.Delivery]); err != nil {
			return err
		}
		return tx.QueryRow(ctx, countUnknownEmails, counted).Scan(&found.Emails)
	})
	return found, err
}
