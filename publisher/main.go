// Publisher tells KurrentDB what PostgreSQL holds: each version of an order's fulfilment becomes one event in the stream
// fulfillment-<order id>. Its subcommands (`publisher --help`) are for operators, and end.
//
// It owns the order of things: what is read first, what is in flight, when a version counts as published and what the
// server is told. How the log is read is left to internal/postgres, how an append is made safe to repeat to
// internal/kurrent.
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
