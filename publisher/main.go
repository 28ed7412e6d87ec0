// Publisher publishes fulfillment changes from PostgreSQL to KurrentDB: each version of
// an order's fulfillment becomes one event in the stream fulfillment-<order id>. Its
// subcommands (`publisher --help`) are one-shot commands for operators.
//
// This package decides the order of work: what is read first, what is in flight, when a
// version counts as published, and which position is confirmed to the server. Package
// internal/postgres reads the log, and internal/kurrent makes an append safe to repeat.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"orderflow/internal/config"
	"orderflow/internal/subcommand"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, subcommand.Call{Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr})
	stop()
	os.Exit(config.Report(os.Stderr, err))
}
