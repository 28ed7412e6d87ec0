package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/email"
	"orderflow/internal/view"
)

// The statements of readers. Each read sends all of its statements in one snapshot.
const (
	// selectRecentOrders reads a customer's newest orders, in the columns of selectOrders.
	selectRecentOrders = `
SELECT order_id, customer_id, status, reason, total_minor, coalesce(currency, ''), credit, carrier,
    tracking_number, placed_at, updated_at, order_revision, credit_revision, fulfillment_revision,
    correlation_id, traceparent, hold_until, greatest(parcels, (status = 'shipped')::integer)
FROM customer_order WHERE customer_id = $1 ORDER BY coalesce(placed_at, '-infinity') DESC, order_id DESC LIMIT $2`

	// countOrders counts a customer's orders.
	countOrders = `SELECT count(*) FROM customer_order WHERE customer_id = $1`

	// selectOrderEmails reads an order's emails, oldest first, without their addresses.
	selectOrderEmails = `
SELECT order_id, kind, status, attempt, unknown_attempts, coalesce(error_code, ''), coalesce(sent_at, updated_at),
    coalesce(progress, ''), coalesce(progress_detail, '')
FROM email_delivery WHERE order_id = $1 ORDER BY seq`
)

// ViewCustomer is a customer as the view has it.
type ViewCustomer struct {
	view.Customer
	Orders   int          // number of all orders
	Recent   []view.Order // the newest orders, newest first
	Position ViewPosition // how far the log was projected
}

// FindCustomer returns a customer's view with the given number of recent orders, all read
// in one snapshot. It returns ErrNotFound if no stream mentions the customer.
func (v *CustomerView) FindCustomer(ctx context.Context, customerID string, recent int) (found ViewCustomer, err error) {
	err = v.readSnapshot(ctx, "find customer", func(ctx context.Context, tx pgx.Tx) error {
		found, err = findCustomer(ctx, tx, customerID, recent)
		return err
	})
	return found, err
}

// ViewOrder is what is known about an order in addition to its row.
type ViewOrder struct {
	Order    *view.Order      // as the view has it; nil if the order is not projected yet
	Mails    []email.Delivery // oldest first; Since is when the email was sent or entered its state
	Position ViewPosition     // how far the log was projected
}

// FindOrder returns what the view and the send ledger contain about an order, all
// read in one snapshot.
func (v *CustomerView) FindOrder(ctx context.Context, orderID string) (found ViewOrder, err error) {
	err = v.readSnapshot(ctx, "find order in the view", func(ctx context.Context, tx pgx.Tx) error {
		rows := view.Rows{Orders: map[string]*view.Order{}}
		if err := loadOrders(ctx, tx, ProjectionLive, []string{orderID}, rows); err != nil {
			return err
		}
		found.Order = rows.Orders[orderID]
		mails, err := tx.Query(ctx, selectOrderEmails, orderID)
		if err != nil {
			return err
		}
		if found.Mails, err = pgx.CollectRows(mails, pgx.RowToStructByPos[email.Delivery]); err != nil {
			return err
		}
		found.Position, err = readPosition(ctx, tx, ProjectionLive)
		return err
	})
	return found, err
}

// readSnapshot runs all queries of read in one snapshot.
func (v *CustomerView) readSnapshot(ctx context.Context, op string, read func(context.Context, pgx.Tx) error) error {
	ctx, cancel := v.pool.withDeadline(ctx)
	defer cancel()
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, v.pool.db, snapshot, func(tx pgx.Tx) error { return read(ctx, tx) })
	if errors.Is(err, ErrNotFound) {
		return err
	}
	return describe(op, err)
}

func findCustomer(ctx context.Context, tx pgx.Tx, customerID string, recent int) (found ViewCustomer, err error) {
	rows := view.Rows{Customers: map[string]*view.Customer{}}
	if err := loadCustomers(ctx, tx, ProjectionLive, []string{customerID}, rows); err != nil {
		return found, err
	}
	err = tx.QueryRow(ctx, countOrders, customerID).Scan(&found.Orders)
	if err != nil {
		return found, err
	}
	account, known := rows.Customers[customerID]
	if !known && found.Orders == 0 {
		return found, ErrNotFound
	}
	found.CustomerID = customerID
	if known {
		found.Customer = *account
	}
	newest, err := tx.Query(ctx, selectRecentOrders, customerID, recent)
	if err != nil {
		return found, err
	}
	if found.Recent, err = pgx.CollectRows(newest, scanViewOrder); err != nil {
		return found, err
	}
	found.Position, err = readPosition(ctx, tx, ProjectionLive)
	return found, err
}
