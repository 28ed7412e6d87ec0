package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/view"
)

// FindViewOrder returns an order as the view has it, or ErrNotFound if no stream mentions
// it.
func (s *Store) FindViewOrder(ctx context.Context, orderID string) (view.Order, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	rows, err := s.pool.Query(ctx, viewTables(ProjectionLive, selectOrders)+` WHERE order_id = $1`, orderID)
	if err != nil {
		return view.Order{}, describe("find order in the view", err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, scanViewOrder)
	if errors.Is(err, pgx.ErrNoRows) {
		return view.Order{}, ErrNotFound
	}
	return found, describe("find order in the view", err)
}
