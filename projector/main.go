// Projector maintains the customer view in PostgreSQL from the event streams in
// KurrentDB: orders, credit accounts and fulfillments, in the order of the whole log.
// `projector rebuild` builds a new view alongside the one in use.
//
// This package follows the log and decides when changes are stored. Package internal/view
// decides what an event changes.
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
