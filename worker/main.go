// Worker hosts the workflows and activities of Orderflow. `worker migrate` brings the PostgreSQL schema up to date.
//
// It owns the wiring of drivers into activities and how many run at once. What they do is left to packages workflows and
// activities.
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
