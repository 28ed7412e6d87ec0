package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"orderflow/internal/config"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

// erase blanks what PostgreSQL holds about the person who placed an order: recipient, address and mail addresses. What the
// order came to stays. The order's stream is the other half, and deleted in KurrentDB.
func erase(ctx context.Context, orderID string, environ []string, stderr io.Writer) error {
	s, invalid := config.Load[databaseSettings](environ)
	if !order.ValidID(orderID) {
		invalid = config.Merge(config.Invalid("ORDER", "must be order- and 1 to 120 of [A-Za-z0-9._-]"), invalid)
	}
	store, storeErr := postgres.Open(ctx, postgres.Config{
		URL: s.URL, MaxConns: 1, ApplicationName: "orderflow-erase", CallTimeout: storeTimeout, Logger: s.Logger(stderr),
	})
	if err := config.Merge(invalid, storeErr); err != nil {
		return err
	}
	defer store.Close()
	err := store.EraseOrder(ctx, orderID)
	if errors.Is(err, postgres.ErrNotFound) {
		return fmt.Errorf("erase: no order %s", orderID)
	}
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	_, err = fmt.Fprintf(stderr, "erased the person of %s from PostgreSQL\n", orderID)
	return err
}
