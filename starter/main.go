// Starter is the bridge from KurrentDB to Temporal: it starts one workflow for every order placed, and hands on what else
// an order's stream says. Its subcommands (`starter --help`) are for operators, and end.
//
// It owns the subscription, the routes from event types to workflows, and when an event counts as handled. What a
// workflow does is left to package workflows.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"orderflow/internal/config"
	"orderflow/internal/subcommand"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, subcommand.Call{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	stop()
	os.Exit(exitCode(os.Stderr, err))
}

// exitDifferences is the exit code of a comparison that went well and has left differences.
const exitDifferences = 3

func exitCode(stderr io.Writer, err error) int {
	code := config.Report(stderr, err)
	if _, left := errors.AsType[*differencesLeft](err); left {
		return exitDifferences
	}
	return code
}
