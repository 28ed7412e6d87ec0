package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// maxListed is the maximum number of rows in one listing.
const maxListed = 1_000

// selectState reads an order's row with the status of its newest email, in the columns of
// selectFulfillment but without its lines and the emails that are due.
const selectState = `
SELECT f.order_id, f.customer_id, f.status, coalesce(f.reason, ''), coalesce(f.code, ''), f.total_minor, f.currency,
    coalesce(f.carrier, ''), coalesce(f.tracking_number, ''), coalesce(f.parcels, '[]'), NULL::integer[],
    f.ship_by, f.status = 'fulfilling' AND coalesce(f.ship_by <= clock_timestamp(), false), f.source_event_id,
    f.placed_at, f.created_at, f.updated_at, f.revision,
    coalesce((SELECT e.status FROM email_delivery e WHERE e.order_id = f.order_id ORDER BY e.seq DESC LIMIT 1), 'none'),
    '', NULL::text[]
FROM order_fulfillment f WHERE f.order_id = @order_id`

// selectFulfillments reads the rows of some orders, without the columns that identify the
// person who ordered: reconcile's role has no right to read them. An email is due here if
// it waits to be sent or its outcome is awaited; whether takeEmail would send it once
// more depends on its address.
const selectFulfillments = `
SELECT f.order_id, f.customer_id, f.status, coalesce(f.reason, ''), coalesce(f.code, ''), f.total_minor, f.currency,
    f.source_event_id, f.placed_at, f.created_at, f.updated_at, f.revision,
    CASE WHEN mail.due THEN mail.kind ELSE '' END, nullif(ARRAY(
        SELECT e.kind FROM email_delivery e
        WHERE e.order_id = f.order_id AND e.seq < mail.seq AND (e.status IN ('pending', 'sending')) ORDER BY e.seq), '{}')
FROM order_fulfillment f LEFT JOIN LATERAL (
    SELECT e.seq, e.kind, e.status, (e.status IN ('pending', 'sending')) AS due
    FROM email_delivery e WHERE e.order_id = f.order_id ORDER BY e.seq DESC LIMIT 1
) mail ON true
WHERE f.order_id = ANY (@order_ids::text[])`

// selectFulfillmentsAfter reads the rows that follow an order id, in the columns of
// selectFulfillments and in the order of the primary key.
const selectFulfillmentsAfter = `
SELECT f.order_id, f.customer_id, f.status, coalesce(f.reason, ''), coalesce(f.code, ''), f.total_minor, f.currency,
    f.source_event_id, f.placed_at, f.created_at, f.updated_at, f.revision,
    CASE WHEN mail.due THEN mail.kind ELSE '' END, nullif(ARRAY(
        SELECT e.kind FROM email_delivery e
        WHERE e.order_id = f.order_id AND e.seq < mail.seq AND (e.status IN ('pending', 'sending')) ORDER BY e.seq), '{}')
FROM order_fulfillment f LEFT JOIN LATERAL (
    SELECT e.seq, e.kind, e.status, (e.status IN ('pending', 'sending')) AS due
    FROM email_delivery e WHERE e.order_id = f.order_id ORDER BY e.seq DESC LIMIT 1
) mail ON true
WHERE f.order_id > @order_id AND f.created_at >= @since
ORDER BY f.order_id LIMIT @limit`

// FindState returns the order's state as its row has it, or ErrNotFound. Unlike
// FindFulfillment it does not read which email is due: whether one may be sent again
// depends on its address, and the role that looks up orders has no right to read
// addresses.
func (f *Fulfillments) FindState(ctx context.Context, orderID string) (order.State, error) {
	const op = "find order"
	ctx, cancel := f.pool.withDeadline(ctx)
	defer cancel()
	var row fulfillment.Row
	err := scanRow(f.pool.db.QueryRow(ctx, selectState, pgx.NamedArgs{"order_id": orderID}), &row)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return order.State{}, fmt.Errorf("%s: %w", op, ErrNotFound)
	case err != nil:
		return order.State{}, describe(op, err)
	}
	return row.State(), nil
}

// FindFulfillments returns the rows of those orders that have one, in no particular
// order. At most 1,000 orders may be requested at a time. A row's Email reports only
// whether an email waits.
func (f *Fulfillments) FindFulfillments(ctx context.Context, orderIDs []string) ([]fulfillment.Row, error) {
	const op = "read fulfillments"
	if len(orderIDs) > maxListed {
		return nil, &Error{Op: op, Code: "too many orders", kind: fulfillment.ErrInvalid}
	}
	args := f.rules.arguments("")
	args["order_ids"] = orderIDs
	return f.list(ctx, op, selectFulfillments, args)
}

// ListFulfillments returns the rows that follow an order id, sorted by it: at most
// limit, at most 1,000, and only those written since the given time. The last row's id
// starts the next page. A row's Email reports only whether an email waits.
func (f *Fulfillments) ListFulfillments(ctx context.Context, orderID string, since time.Time, limit int) ([]fulfillment.Row, error) {
	args := f.rules.arguments(orderID)
	args["since"], args["limit"] = since, min(limit, maxListed)
	return f.list(ctx, "list fulfillments", selectFulfillmentsAfter, args)
}

func (f *Fulfillments) list(ctx context.Context, op, query string, args pgx.NamedArgs) ([]fulfillment.Row, error) {
	var rows []fulfillment.Row
	err := f.pool.transact(ctx, op, func(batch *pgx.Batch) {
		rows = rows[:0]
		batch.Queue(query, args).Query(func(found pgx.Rows) error {
			for found.Next() {
				row, err := scanListed(found)
				if err != nil {
					return err
				}
				rows = append(rows, row)
			}
			return found.Err()
		})
	})
	return rows, err
}

func scanListed(r pgx.Row) (fulfillment.Row, error) {
	var row fulfillment.Row
	err := r.Scan(&row.OrderID, &row.CustomerID, &row.Status, &row.Reason, &row.Code, &row.Total.Minor, &row.Total.Currency,
		&row.SourceEventID, &row.PlacedAt, &row.CreatedAt, &row.UpdatedAt, &row.Revision, &row.EmailDue, &row.AlsoDue)
	row.PlacedAt, row.CreatedAt, row.UpdatedAt = row.PlacedAt.UTC(), row.CreatedAt.UTC(), row.UpdatedAt.UTC()
	row.Email = email.StatusNone
	if row.EmailDue != "" {
		row.Email = email.StatusPending
	}
	return row, err
}
