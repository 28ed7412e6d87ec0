// Api is the HTTP way in and out: it places, cancels and looks up orders, opens credit
// accounts and changes their limits, shows a customer's view, and has a page for people.
// `api openapi` prints what it answers to.
//
// It owns the HTTP: routes, what a request may hold, who may ask, and how errors are
// worded. It decides nothing: orders are appended to KurrentDB, cancelled by their
// workflow and read from PostgreSQL.
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
