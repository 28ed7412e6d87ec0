package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/order"
	"orderflow/internal/view"
)

// loadView loads the rows that the changes affect.
func loadView(ctx context.Context, tx pgx.Tx, p Projection, changes []view.Change) (view.Rows, error) {
	orders, customers := map[string]struct{}{}, map[string]struct{}{}
	for _, c := range changes {
		if c.OrderID != "" {
			orders[c.OrderID] = struct{}{}
		}
		if c.CustomerID != "" {
			customers[c.CustomerID] = struct{}{}
		}
	}
	rows := view.Rows{Orders: make(map[string]*view.Order, len(orders)), Customers: make(map[string]*view.Customer, len(customers))}
	if err := loadOrders(ctx, tx, p, keys(orders), rows); err != nil {
		return rows, err
	}
	return rows, loadCustomers(ctx, tx, p, keys(customers), rows)
}

func keys(set map[string]struct{}) []string {
	list := make([]string, 0, len(set))
	for key := range set {
		list = append(list, key)
	}
	return list
}

// freshPlan makes the server plan a statement on each use. A plan kept from when the
// table was almost empty reads the whole table until its statistics are next gathered,
// and a rebuild fills the table long before that.
const freshPlan = pgx.QueryExecModeCacheDescribe

// selectOrders reads the orders that a batch changes. An order that was shipped before the
// view had parcels shows one. In this and the following
// statements %s is the suffix of the projection's tables.
const selectOrders = `
SELECT order_id, customer_id, status, reason, total_minor, coalesce(currency, ''), credit, carrier,
    tracking_number, placed_at, updated_at, order_revision, credit_revision, fulfillment_revision,
    correlation_id, traceparent, hold_until, greatest(parcels, (status = 'shipped')::integer)
FROM customer_order%s WHERE order_id = ANY($1)`

func loadOrders(ctx context.Context, tx pgx.Tx, p Projection, ids []string, into view.Rows) error {
	rows, err := tx.Query(ctx, viewTables(p, selectOrders), freshPlan, ids)
	if err != nil {
		return err
	}
	loaded, err := pgx.CollectRows(rows, scanViewOrder)
	for _, o := range loaded {
		into.Orders[o.OrderID] = &o
	}
	return err
}

func scanViewOrder(row pgx.CollectableRow) (o view.Order, err error) {
	var placedAt, holdUntil *time.Time
	err = row.Scan(&o.OrderID, &o.CustomerID, &o.Status, &o.Reason, &o.Total.Minor, &o.Total.Currency, &o.Credit, &o.Carrier,
		&o.TrackingNumber, &placedAt, &o.UpdatedAt, &o.OrderRevision, &o.CreditRevision, &o.FulfillmentRevision,
		&o.Trace.CorrelationID, &o.Trace.Traceparent, &holdUntil, &o.Parcels)
	if placedAt != nil {
		o.PlacedAt = *placedAt
	}
	if holdUntil != nil {
		o.HoldUntil = *holdUntil
	}
	return o, err
}

// selectCustomers reads the customers that a batch changes. It leaves out available_minor,
// a generated column for those who query the view in SQL and for the checker. The API
// calculates it with credit.Available.
const selectCustomers = `
SELECT customer_id, coalesce(currency, ''), limit_minor, reserved_minor, credit_revision, updated_at
FROM customer_view%s WHERE customer_id = ANY($1)`

func loadCustomers(ctx context.Context, tx pgx.Tx, p Projection, ids []string, into view.Rows) error {
	rows, err := tx.Query(ctx, viewTables(p, selectCustomers), freshPlan, ids)
	if err != nil {
		return err
	}
	loaded, err := pgx.CollectRows(rows, scanViewCustomer)
	for _, c := range loaded {
		into.Customers[c.CustomerID] = &c
	}
	return err
}

func scanViewCustomer(row pgx.CollectableRow) (c view.Customer, err error) {
	err = row.Scan(&c.CustomerID, &c.Limit.Currency, &c.Limit.Minor, &c.Reserved, &c.Revision, &c.UpdatedAt)
	return c, err
}

// storeView writes the rows, each table in one statement: one statement per row would
// take most of a rebuild's time.
func storeView(ctx context.Context, tx pgx.Tx, p Projection, rows view.Rows) error {
	if err := storeOrders(ctx, tx, p, rows.Orders); err != nil {
		return err
	}
	return storeCustomers(ctx, tx, p, rows.Customers)
}

// upsertOrders writes the orders that a batch changed, one array per column. It is in the
// transaction of updatePosition, which keeps it from being repeated.
const upsertOrders = `
INSERT INTO customer_order%s AS t (order_id, customer_id, status, reason, total_minor, currency, credit,
    carrier, tracking_number, placed_at, updated_at, order_revision, credit_revision, fulfillment_revision,
    correlation_id, traceparent, hold_until, parcels)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::char(3)[], $7::text[], $8::text[],
    $9::text[], $10::timestamptz[], $11::timestamptz[], $12::bigint[], $13::bigint[], $14::bigint[],
    $15::text[], $16::text[], $17::timestamptz[], $18::integer[])
ON CONFLICT (order_id) DO UPDATE SET customer_id = excluded.customer_id, status = excluded.status, reason = excluded.reason,
    total_minor = excluded.total_minor, currency = excluded.currency, credit = excluded.credit, carrier = excluded.carrier,
    tracking_number = excluded.tracking_number, placed_at = excluded.placed_at, updated_at = excluded.updated_at,
    order_revision = excluded.order_revision, credit_revision = excluded.credit_revision,
    fulfillment_revision = excluded.fulfillment_revision, correlation_id = excluded.correlation_id,
    traceparent = excluded.traceparent, hold_until = excluded.hold_until, parcels = excluded.parcels`

func storeOrders(ctx context.Context, tx pgx.Tx, p Projection, orders map[string]*view.Order) error {
	if len(orders) == 0 {
		return nil
	}
	var c orderColumns
	for _, o := range orders {
		c.add(o)
	}
	_, err := tx.Exec(ctx, viewTables(p, upsertOrders), c.id, c.customer, c.status, c.reason, c.total, c.currency, c.credit,
		c.carrier, c.tracking, c.placedAt, c.updatedAt, c.orderRevision, c.creditRevision, c.fulfillmentRevision,
		c.correlation, c.traceparent, c.holdUntil, c.parcels)
	return err
}

// orderColumns holds rows as the column arrays that the statement takes.
type orderColumns struct {
	id, customer, status, reason, credit, carrier, tracking []string
	correlation, traceparent                                []string
	currency                                                []*string
	total, orderRevision, creditRevision                    []int64
	fulfillmentRevision                                     []int64
	placedAt, holdUntil                                     []*time.Time
	updatedAt                                               []time.Time
	parcels                                                 []int
}

func (c *orderColumns) add(o *view.Order) {
	c.id, c.customer = append(c.id, o.OrderID), append(c.customer, o.CustomerID)
	c.status, c.reason = append(c.status, string(o.Status)), append(c.reason, string(o.Reason))
	c.total, c.currency = append(c.total, o.Total.Minor), append(c.currency, currencyOf(o.Total))
	c.credit = append(c.credit, string(o.Credit))
	c.carrier, c.tracking = append(c.carrier, o.Carrier), append(c.tracking, o.TrackingNumber)
	c.placedAt, c.updatedAt = append(c.placedAt, optionalTime(o.PlacedAt)), append(c.updatedAt, o.UpdatedAt)
	c.orderRevision, c.creditRevision = append(c.orderRevision, o.OrderRevision), append(c.creditRevision, o.CreditRevision)
	c.fulfillmentRevision = append(c.fulfillmentRevision, o.FulfillmentRevision)
	c.correlation, c.traceparent = append(c.correlation, o.Trace.CorrelationID), append(c.traceparent, o.Trace.Traceparent)
	c.holdUntil = append(c.holdUntil, optionalTime(o.HoldUntil))
	c.parcels = append(c.parcels, o.Parcels)
}

func currencyOf(m order.Money) *string {
	if m.Currency == "" {
		return nil
	}
	return &m.Currency
}

// upsertCustomers writes the customers that a batch changed, as upsertOrders does.
const upsertCustomers = `
INSERT INTO customer_view%s AS t (customer_id, currency, limit_minor, reserved_minor, credit_revision, updated_at)
SELECT * FROM unnest($1::text[], $2::char(3)[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[])
ON CONFLICT (customer_id) DO UPDATE SET currency = excluded.currency, limit_minor = excluded.limit_minor,
    reserved_minor = excluded.reserved_minor, credit_revision = excluded.credit_revision, updated_at = excluded.updated_at`

func storeCustomers(ctx context.Context, tx pgx.Tx, p Projection, customers map[string]*view.Customer) error {
	if len(customers) == 0 {
		return nil
	}
	var ids []string
	var currencies []*string
	var limits, reserved, revisions []int64
	var updated []time.Time
	for _, c := range customers {
		ids, currencies = append(ids, c.CustomerID), append(currencies, currencyOf(c.Limit))
		limits, reserved = append(limits, c.Limit.Minor), append(reserved, c.Reserved)
		revisions, updated = append(revisions, c.Revision), append(updated, c.UpdatedAt)
	}
	_, err := tx.Exec(ctx, viewTables(p, upsertCustomers), ids, currencies, limits, reserved, revisions, updated)
	return err
}
