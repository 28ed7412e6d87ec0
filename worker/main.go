// Worker hosts the workflows and activities of Orderflow. Its subcommands (`worker
// --help`) bring the PostgreSQL schema up to date, erase a person's data, and list and
// resolve stuck emails. They are for operators and terminate.
//
// It owns the wiring of drivers into activities and how many run at once. Packages
// workflows and activities own what they do.
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
