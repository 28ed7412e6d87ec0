package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/fulfillment"
)

// Remains is what the tables hold of the person who placed an order.
type Remains struct {
	OrderID   string
	Person    bool      // the row has a recipient or an address
	Addresses int       // how many of its emails have an address
	ErasedAt  time.Time // zero if it was not erased, or by a version that did not record it
}

// selectRemains reads what the rows of some orders and their emails hold of a person.
const selectRemains = `
SELECT f.order_id, num_nonnulls(f.recipient_title, f.recipient_name, f.recipient_phone, f.address_country) > 0
    OR coalesce(cardinality(f.address_lines), 0) > 0,
    (SELECT count(*) FROM email_delivery e WHERE e.order_id = f.order_id AND e.recipient IS NOT NULL), f.erased_at
FROM order_fulfillment f WHERE f.order_id = ANY (@order_ids::text[])`

// selectVacuumed reads when the tables with personal data were last vacuumed: the older
// of the two times, or null if one is not known.
const selectVacuumed = `
SELECT CASE WHEN count(greatest(last_vacuum, last_autovacuum)) = 2 THEN min(greatest(last_vacuum, last_autovacuum)) END
FROM pg_stat_user_tables WHERE schemaname = 'public' AND relname IN ('order_fulfillment', 'email_delivery')`

// Remains returns what the tables hold of the persons of those orders that have a row. At
// most 1,000 orders may be requested at a time.
func (f *Fulfillments) Remains(ctx context.Context, orderIDs []string) ([]Remains, error) {
	const op = "read personal data"
	if len(orderIDs) > maxListed {
		return nil, &Error{Op: op, Code: "too many orders", kind: fulfillment.ErrInvalid}
	}
	var all []Remains
	err := f.pool.transact(ctx, op, func(batch *pgx.Batch) {
		all = all[:0]
		batch.Queue(selectRemains, pgx.NamedArgs{"order_ids": orderIDs}).Query(func(found pgx.Rows) error {
			for found.Next() {
				var one Remains
				var erasedAt *time.Time
				if err := found.Scan(&one.OrderID, &one.Person, &one.Addresses, &erasedAt); err != nil {
					return err
				}
				if erasedAt != nil {
					one.ErasedAt = erasedAt.UTC()
				}
				all = append(all, one)
			}
			return found.Err()
		})
	})
	return all, err
}

// Vacuumed returns since when no dead version of a row is left in the tables with
// personal data: when the last vacuum of each had ended. It is zero if that is not known.
func (f *Fulfillments) Vacuumed(ctx context.Context) (time.Time, error) {
	var at *time.Time
	err := f.pool.transact(ctx, "read the last vacuum", func(batch *pgx.Batch) {
		batch.Queue(selectVacuumed).QueryRow(func(r pgx.Row) error { return r.Scan(&at) })
	})
	if err != nil || at == nil {
		return time.Time{}, err
	}
	return at.UTC(), nil
}
