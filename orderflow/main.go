// Orderflow is the operators' command: it prepares the servers, and inspects and repairs
// what the daemons work on. Each subcommand does one thing and terminates.
//
// It owns the command line: arguments and flags, which settings a subcommand needs, and
// what it prints. main.go has the entry, cli.go the tree of subcommands and its faults,
// and each other file one subcommand or a group of them. What a subcommand does to a
// store is left to that store's driver.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"orderflow/internal/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	c := cli{args: os.Args[1:], environ: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	err := c.run(ctx)
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
