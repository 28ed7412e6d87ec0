// Command kurrentsim runs the embedded event store, and reads streams from it or from any
// KurrentDB.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(exitCode(err, os.Stderr))
}

// usageError is an invalid command line. Its text is empty if the flag package has
// already printed the reason.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "read" {
		return read(ctx, args[1:], stdout, stderr)
	}
	return serve(ctx, args, stderr)
}

func exitCode(err error, stderr io.Writer) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		if usage.text != "" {
			fmt.Fprintln(stderr, "kurrentsim:", usage.text)
		}
		return 2
	}
	fmt.Fprintln(stderr, "kurrentsim:", err)
	return 1
}
