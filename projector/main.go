// Projector keeps the customer view in PostgreSQL from the event streams in KurrentDB: orders, credit accounts and
// fulfilments, in the order of the whole log. `projector rebuild` builds the view anew beside the one that is read.
//
// It owns following the log and when what it says is stored. What an event changes is left to internal/view.
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
