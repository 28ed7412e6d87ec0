package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"orderflow/internal/postgres"
	"orderflow/internal/subcommand"
)

// erase blanks the personal data of an order in PostgreSQL: recipient, address and email
// addresses. Pending emails are no longer sent. The order's outcome remains. The order's
// stream holds the other half and must be deleted in KurrentDB first, for an order that
// is not fulfilled yet would be read from it again.
func erase(ctx context.Context, c subcommand.Call) error {
	args, arguments := c.Parse(flag.NewFlagSet(c.Name, flag.ContinueOnError), "ORDER")
	if arguments == nil {
		arguments = checkOrderID(args[0])
	}
	store, err := openStore(ctx, c, arguments)
	if err != nil {
		return err
	}
	defer store.Close()
	orderID := args[0]
	err = store.EraseOrder(ctx, orderID)
	if errors.Is(err, postgres.ErrNotFound) {
		return fmt.Errorf("erase: no order %s", orderID)
	}
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	_, err = fmt.Fprintf(c.Stderr, "erased the personal data of %s from PostgreSQL\n", orderID)
	return err
}
