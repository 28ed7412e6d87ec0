package rig

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// insertFulfillment writes the row of an order that is being fulfilled.
const insertFulfillment = `
INSERT INTO order_fulfillment (order_id, customer_id, status, total_minor, currency, shipping_method, recipient_name, address_lines,
    source_event_id, placed_at)
VALUES ($1, $2, 'fulfilling', 121, 'USD', 'express', 'Ada Example', '{Street 1}', '6e0f2f0a-6f5c-4a53-9d0a-3a4a5f3a2b1c',
    clock_timestamp())`

// insertBatch is how many rows are sent at once.
const insertBatch = 1000

// InsertFulfillments writes the rows of orders of a customer, each in its own transaction,
// as the worker does. These commits do not wait for the disk.
func (r *Rig) InsertFulfillments(ctx context.Context, customer string, orders []string) error {
	conn, err := r.DB.Acquire(ctx)
	if err != nil {
		return wrapRead(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SET synchronous_commit = off"); err != nil {
		return wrapRead(err)
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), "RESET synchronous_commit") }()
	for len(orders) > 0 {
		some := orders[:min(insertBatch, len(orders))]
		orders = orders[len(some):]
		batch := &pgx.Batch{}
		for _, id := range some {
			batch.Queue("BEGIN")
			batch.Queue(insertFulfillment, id, customer)
			batch.Queue("COMMIT")
		}
		if err := conn.SendBatch(ctx, batch).Close(); err != nil {
			return wrapRead(err)
		}
	}
	return nil
}

// AwaitViewed waits until the view has all of these orders as fulfilling.
func (r *Rig) AwaitViewed(ctx context.Context, orders []string) error {
	return r.awaitRows(ctx, len(orders), "in the view",
		"SELECT count(*) FROM customer_order WHERE order_id = ANY($1) AND status = 'fulfilling'", orders)
}

// ViewLags returns how long the last event of each of these orders took from KurrentDB into
// the view: from the time at which it was written, which the row holds, to the commit of
// the transaction that stored the row. Both clocks are this machine's.
func (r *Rig) ViewLags(ctx context.Context, orders []string) ([]time.Duration, error) {
	rows, err := r.DB.Query(ctx, `
SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - updated_at)::float8 FROM customer_order WHERE order_id = ANY($1)`, orders)
	if err != nil {
		return nil, wrapRead(err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (time.Duration, error) {
		var seconds float64
		err := row.Scan(&seconds)
		return time.Duration(seconds * float64(time.Second)), err
	})
}
