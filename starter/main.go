// Starter is the bridge from KurrentDB to Temporal. It starts one workflow for every
// order placed, and passes on the other events of an order's stream. Its subcommands
// (`starter --help`) are for operators and terminate.
//
// It owns the subscription, the routes from event types to workflows, and the decision
// when an event counts as handled. Package workflows owns what a workflow does.
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

// exitDifferences is the exit code of a comparison that succeeded and left differences.
const exitDifferences = 3

func exitCode(stderr io.Writer, err error) int {
	code := config.Report(stderr, err)
	if _, left := errors.AsType[*differencesLeft](err); left {
		return exitDifferences
	}
	return code
}
