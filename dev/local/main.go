// Local runs the whole of Orderflow on one machine by one command: the servers, the real binaries, generated or given
// orders, and a live view of each order's way or one report.
//
// It owns the command line, what runs through the stack and what is shown of it. Starting and stopping the stack is left
// to its package stack, and appending and following orders to its package orders.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"orderflow/dev/local/internal/stack"
	"orderflow/dev/sampledata"
	"orderflow/internal/config"
)

func main() {
	// Whoever read our output may be gone: that must not end us in the middle of stopping.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A second signal ends this process at once, and the children with it.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(config.Report(os.Stderr, err))
}

// creditHold is how long an order over its limit waits for somebody to decide about it. A report is not waited for that
// long.
func creditHold(once bool) string {
	if once {
		return "0s"
	}
	return "30m"
}

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the other binaries: %w", err)
	}
	running, err := stack.Start(ctx, stack.Options{
		Dir: o.state, BinDir: filepath.Dir(program), Environ: environ, AutoPorts: o.autoPorts, Fresh: o.fresh,
		RealSES: o.realSES, Hold: creditHold(o.once), Progress: stderr,
	})
	switch {
	case err != nil && ctx.Err() != nil && o.once:
		return errIncomplete
	case err != nil && ctx.Err() != nil:
		return nil // asked to stop while it started
	case err != nil:
		return err
	}
	_, _ = fmt.Fprintln(stderr, "ready")
	err = serve(ctx, &session{
		options: o, stack: running, journeys: sampledata.New(o.seed, firstOrder()), binDir: filepath.Dir(program),
		stdout: stdout, stderr: stderr, notify: func(text string) { _, _ = fmt.Fprintln(stderr, text) },
	})
	_, _ = fmt.Fprintln(stderr, "stopping")
	return errors.Join(err, running.Stop())
}
