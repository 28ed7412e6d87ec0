// Worker hosts the workflows and activities of Orderflow. Its subcommands (`worker --help`) bring the PostgreSQL schema up
// to date, erase a person, and list and resolve mails that got no further; they are for operators, and end.
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
	"orderflow/internal/subcommand"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, subcommand.Call{Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr})
	stop()
	os.Exit(config.Report(os.Stderr, err))
}
