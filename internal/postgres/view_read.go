package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/view"
)

// CustomerView is a customer as the view knows it.
type CustomerView struct {
	view.Customer
	Orders   int          // how many there are
	Recent   []view.Order // the newest, newest first
	Position ViewPosition // how far the log was taken
}

// FindCustomer reads a customer's view with so many recent orders, all as of one moment. It is ErrNotFound for a customer of whom
// no stream tells.
func (s *Store) FindCustomer(ctx context.Context, customerID string, recent int) (CustomerView, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	var found CustomerView
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, s.pool, snapshot, func(tx pgx.Tx) (err error) {
		found, err = findCustomer(ctx, tx, customerID, recent)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return CustomerView{}, err
	}
	return found, describe("find customer", err)
}

func findCustomer(ctx context.Context, tx pgx.Tx, customerID string, recent int) (found CustomerView, err error) {
	rows := view.Rows{Orders: map[string]*view.Order{}, Customers: map[string]*view.Customer{}}
	if err := loadCustomers(ctx, tx, ProjectionLive, []string{customerID}, rows); err != nil {
		return found, err
	}
	err = tx.QueryRow(ctx, `SELECT count(*) FROM customer_order WHERE customer_id = $1`, customerID).Scan(&found.Orders)
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
	newest, err := tx.Query(ctx, viewTables(ProjectionLive, selectOrders)+
		` WHERE customer_id = $1 ORDER BY placed_at DESC NULLS LAST, order_id LIMIT $2`, customerID, recent)
	if err != nil {
		return found, err
	}
	if found.Recent, err = pgx.CollectRows(newest, scanViewOrder); err != nil {
		return found, err
	}
	return found, tx.QueryRow(ctx, `SELECT commit_position, prepare_position, coalesce(event_at, to_timestamp(0))
		FROM projector_position WHERE view = 'live'`).Scan(&found.Position.Commit, &found.Position.Prepare, &found.Position.EventAt)
}
