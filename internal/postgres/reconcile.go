package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
)

// maxListed bounds the rows of one listing.
const maxListed = 1_000

// Fulfillments reads the rows of the orders that have one, in no order; at most 1,000 orders are asked for at a time. Of
// the mails, only which of them wait is told.
func (s *Store) Fulfillments(ctx context.Context, orderIDs []string) ([]fulfillment.Row, error) {
	const op = "read fulfilments"
	if len(orderIDs) > maxListed {
		return nil, &Error{Op: op, Code: "too many orders", kind: fulfillment.ErrInvalid}
	}
	args := s.arguments("")
	args["order_ids"] = orderIDs
	return s.list(ctx, op, listFulfillments()+` WHERE f.order_id = ANY (@order_ids::text[])`, args)
}

// FulfillmentsAfter reads the rows that follow an order id, sorted by it: limit of them, at most 1,000, written since then
// if that is not zero. The last one's id gives the next page. Of the mails, only which of them wait is told.
func (s *Store) FulfillmentsAfter(ctx context.Context, orderID string, since time.Time, limit int) ([]fulfillment.Row, error) {
	args := s.arguments(orderID)
	args["since"], args["limit"] = since, min(limit, maxListed)
	return s.list(ctx, "list fulfilments", listFulfillments()+` WHERE f.order_id > @order_id AND f.created_at >= @since
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

// listFulfillments reads many rows without what tells who ordered: neither this nor the grant for it covers that.
func listFulfillments() string {
	return `
SELECT f.order_id, f.customer_id, f.status, coalesce(f.reason, ''), coalesce(f.code, ''), f.total_minor, f.currency,
    f.source_event_id, f.placed_at, f.created_at, f.updated_at, f.revision,` + dueColumns(inTheAir) +
		`FROM order_fulfillment f` + joinNewestMail(inTheAir)
}
