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
	"fmt"
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

// exitAttention is the exit code of a command that did its work and leaves something for an
// operator to look at. The codes 0 to 2 are those of every binary.
const exitAttention = 3

// attentionError is the error of such a command. It is not wrapped around a failure.
type attentionError struct{ left string }

// Error returns what is left.
func (e *attentionError) Error() string { return e.left }

// needsAttention returns an *attentionError, for exit code 3.
func needsAttention(format string, args ...any) error {
	return &attentionError{left: fmt.Sprintf(format, args...)}
}

func exitCode(stderr io.Writer, err error) int {
	code := config.Report(stderr, err)
	if _, left := errors.AsType[*attentionError](err); left && code == config.ExitFailure {
		return exitAttention
	}
	return code
}
