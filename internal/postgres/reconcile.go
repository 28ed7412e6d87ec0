package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
)

// maxListed is the maximum number of rows in one listing.
const maxListed = 1_000

// Fulfillments returns the rows of those orders that have one, in no particular order. At
// most 1,000 orders may be requested at a time. A row's Email reports only whether an
// email waits.
func (s *Store) Fulfillments(ctx context.Context, orderIDs []string) ([]fulfillment.Row, error) {
	const op = "read fulfillments"
	if len(orderIDs) > maxListed {
		return nil, &Error{Op: op, Code: "too many orders", kind: fulfillment.ErrInvalid}
	}
	args := s.arguments("")
	args["order_ids"] = orderIDs
	return s.list(ctx, op, listFulfillments()+` WHERE f.order_id = ANY (@order_ids::text[])`, args)
}

// FulfillmentsAfter returns the rows that follow an order id, sorted by it: at most
// limit, at most 1,000, and only those written since the given time. The last row's id
// starts the next page. A row's Email reports only whether an email waits.
func (s *Store) FulfillmentsAfter(ctx context.Context, orderID string, since time.Time, limit int) ([]fulfillment.Row, error) {
	args := s.arguments(orderID)
	args["since"], args["limit"] = since, min(limit, maxListed)
	return s.list(ctx, "list fulfillments", listFulfillments()+` WHERE f.order_id > @order_id AND f.created_at >= @since
		ORDER BY f.order_id LIMIT @limit`, args)
}

func (s *Store) list(ctx context.Context, op, query string, args pgx.NamedArgs) ([]fulfillment.Row, error) {
	var rows []fulfillment.Row
	err := s.transact(ctx, op, func(batch *pgx.Batch) {
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
		&row.SourceEventID, &row.PlacedAt, &row.CreatedAt, &row.UpdatedAt, &row.Revision, &row.MailDue, &row.AlsoDue)
	row.PlacedAt, row.CreatedAt, row.UpdatedAt = row.PlacedAt.UTC(), row.CreatedAt.UTC(), row.UpdatedAt.UTC()
	row.Email = email.StatusNone
	if row.MailDue != "" {
		row.Email = email.StatusPending
	}
	return row, err
}

// listFulfillments reads many rows without the columns that identify the person who
// ordered, which neither this code needs nor its grant covers.
func listFulfillments() string {
	return `
SELECT f.order_id, f.customer_id, f.status, coalesce(f.reason, ''), coalesce(f.code, ''), f.total_minor, f.currency,
    f.source_event_id, f.placed_at, f.created_at, f.updated_at, f.revision,` + dueColumns(awaitsOutcome) +
		`FROM order_fulfillment f` + joinNewestEmail(awaitsOutcome)
}
