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
	Versions  bool      // an earlier version of the row, or of one of its emails, may be left in the tables
	ErasedAt  time.Time // zero if it was not erased, or by a version that did not record it
}

// selectRemains reads what the rows of some orders and their emails hold of a person.
//
// The time of the last vacuum does not show that earlier versions of a row are gone: a
// vacuum keeps those that a transaction or a replication slot may still read, and one that
// began before the erasure did not see them. relfrozenxid does: no version that a
// transaction before it wrote or ended is left. So the versions before the present one are
// gone if its transaction is older than the relfrozenxid of the table and of what it keeps
// out of line. Only a vacuum with FREEZE advances it that far at once. A transaction that
// seems to be ahead of the present one is more than two billion older, hence the 0.
const selectRemains = `
WITH frozen AS MATERIALIZED (
    SELECT c.relname, greatest(age(c.relfrozenxid), coalesce(age(t.relfrozenxid), 0)) AS age
    FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid
    WHERE c.oid IN ('public.order_fulfillment'::regclass, 'public.email_delivery'::regclass)
)
SELECT f.order_id, num_nonnulls(f.recipient_title, f.recipient_name, f.recipient_phone, f.address_country) > 0
    OR coalesce(cardinality(f.address_lines), 0) > 0,
    (SELECT count(*) FROM email_delivery e WHERE e.order_id = f.order_id AND e.recipient IS NOT NULL),
    age(f.xmin) BETWEEN 0 AND (SELECT z.age FROM frozen z WHERE z.relname = 'order_fulfillment')
    OR EXISTS (SELECT FROM email_delivery e JOIN frozen z ON z.relname = 'email_delivery'
        WHERE e.order_id = f.order_id AND age(e.xmin) BETWEEN 0 AND z.age),
    f.erased_at
FROM order_fulfillment f WHERE f.order_id = ANY (@order_ids::text[])`

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
				if err := found.Scan(&one.OrderID, &one.Person, &one.Addresses, &one.Versions, &erasedAt); err != nil {
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
