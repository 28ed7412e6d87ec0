package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

func (c *cli) erase() *cobra.Command {
	return &cobra.Command{
		Use: "erase ORDER", Short: "erase an order's personal data from PostgreSQL",
		Long: "Erase an order's personal data from PostgreSQL: recipient, address and email addresses. Pending emails\n" +
			"are no longer sent. The order's outcome remains. Delete the order's stream in KurrentDB first: an order\n" +
			"that is not fulfilled yet would be read from it again.",
		Args: c.takes(argument{"ORDER", checkOrderID}),
		RunE: func(cmd *cobra.Command, args []string) error {
			pool, err := c.openDatabase(cmd.Context())
			if err != nil {
				return err
			}
			defer pool.Close()
			return c.eraseOrder(cmd.Context(), postgres.NewFulfillments(pool, postgres.EmailRules{}), args[0])
		},
	}
}

func (c *cli) eraseOrder(ctx context.Context, fulfillments *postgres.Fulfillments, orderID string) error {
	err := fulfillments.EraseOrder(ctx, orderID)
	if errors.Is(err, postgres.ErrNotFound) {
		return fmt.Errorf("erase: no order %s", orderID)
	}
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	_, err = fmt.Fprintf(c.stderr, "erased the personal data of %s from PostgreSQL\n", orderID)
	return err
}

func checkOrderID(id string) error {
	if !order.ValidID(id) {
		return order.ErrInvalidID
	}
	return nil
}
