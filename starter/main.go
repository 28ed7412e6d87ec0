// Starter is the bridge from KurrentDB to Temporal: it starts one workflow for every order placed, and hands on what else
// an order's stream says. `starter group create` makes its persistent subscription and ends.
//
// It owns the subscription, the routes from event types to workflows, and when an event counts as handled. What a
// workflow does is left to package workflows.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"orderflow/internal/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stderr)
	stop()
	os.Exit(config.Report(os.Stderr, err))
}
