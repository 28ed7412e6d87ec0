package rig

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// pollRows is how often the stores are asked how far the orders have come. Each question
// reads an index over the rows in question.
const pollRows = 50 * time.Millisecond

// Mark is a position in the history of all orders' rows.
type Mark int64

// Mark returns the end of the history.
func (r *Rig) Mark(ctx context.Context) (mark Mark, err error) {
	err = r.DB.QueryRow(ctx, "SELECT coalesce(max(id), 0) FROM order_fulfillment_history").Scan(&mark)
	return mark, wrapRead(err)
}

// AwaitConfirmed waits until so many orders have been confirmed since the mark. An order is
// confirmed when its row has been written as fulfilling.
func (r *Rig) AwaitConfirmed(ctx context.Context, since Mark, count int) error {
	return r.awaitRows(ctx, count, "confirmed",
		"SELECT count(*) FROM order_fulfillment_history WHERE id > $1 AND event_type = 'order-approved'", since)
}

// AwaitShipped waits until so many orders have been closed as shipped since the mark.
func (r *Rig) AwaitShipped(ctx context.Context, since Mark, count int) error {
	return r.awaitRows(ctx, count, "shipped",
		"SELECT count(*) FROM order_fulfillment_history WHERE id > $1 AND event_type = 'order-shipped'", since)
}

// AwaitEmails waits until no email waits to be sent.
func (r *Rig) AwaitEmails(ctx context.Context) error {
	return r.awaitRows(ctx, 1, "without an email to send",
		"SELECT (count(*) = 0)::int FROM email_delivery WHERE status IN ('pending', 'sending', 'unknown')")
}

func (r *Rig) awaitRows(ctx context.Context, count int, what, query string, args ...any) error {
	ticker := time.NewTicker(pollRows)
	defer ticker.Stop()
	for {
		var found int
		err := r.DB.QueryRow(ctx, query, args...).Scan(&found)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%d of %d %s: %w", found, count, what, context.Cause(ctx))
		case err != nil:
			return wrapRead(err)
		case found >= count:
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// Confirmed returns the ids of the orders that have been confirmed since the mark.
func (r *Rig) Confirmed(ctx context.Context, since Mark) ([]string, error) {
	rows, err := r.DB.Query(ctx, "SELECT order_id FROM order_fulfillment_history WHERE id > $1 AND event_type = 'order-approved'", since)
	if err != nil {
		return nil, wrapRead(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return ids, wrapRead(err)
}

// Times is when one order reached its steps, by the clock of PostgreSQL, which runs on this
// machine. Each is read by the statement that takes the step, a few milliseconds before its
// transaction commits. It is nil if the order has not got there.
type Times struct {
	Confirmed time.Time  // its row was written as fulfilling
	Emailed   *time.Time // SES has accepted the confirmation
	Shipped   *time.Time // its row was closed as shipped
	Notified  *time.Time // SES has accepted the email about the shipment
}

// Times returns the times of the orders that have been confirmed since the mark, by id.
func (r *Rig) Times(ctx context.Context, since Mark) (map[string]Times, error) {
	rows, err := r.DB.Query(ctx, `
SELECT order_id, h.at, (SELECT sent_at FROM email_delivery e WHERE e.order_id = h.order_id AND kind = 'confirmation'),
    (SELECT at FROM order_fulfillment_history s WHERE s.order_id = h.order_id AND event_type = 'order-shipped'),
    (SELECT sent_at FROM email_delivery e WHERE e.order_id = h.order_id AND kind = 'shipment')
FROM order_fulfillment_history h WHERE id > $1 AND event_type = 'order-approved'`, since)
	if err != nil {
		return nil, wrapRead(err)
	}
	times := map[string]Times{}
	var id string
	var t Times
	_, err = pgx.ForEachRow(rows, []any{&id, &t.Confirmed, &t.Emailed, &t.Shipped, &t.Notified}, func() error {
		times[id] = t
		return nil
	})
	return times, wrapRead(err)
}

func wrapRead(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read the orders' rows: %w", err)
}
