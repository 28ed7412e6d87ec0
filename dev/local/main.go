// Local runs all of Orderflow on one machine with one command: the servers, the real
// binaries, generated or given orders, and either a live view of every order's progress
// or one report.
//
// This package owns the command line, the orders sent through the stack and the display.
// Package stack starts and stops the stack. Package orders appends and follows orders.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"orderflow/dev/local/internal/stack"
	"orderflow/dev/programs"
	"orderflow/dev/sampledata"
	"orderflow/internal/config"
)

func main() {
	ctx, stop := programs.Context()
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(config.Report(os.Stderr, err))
}

// creditHold returns how long an order over its credit limit waits for a decision. A run
// that prints a report does not wait.
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
		RealSES: o.realSES, Hold: creditHold(o.once), Download: true, Progress: stderr, TwoVersions: o.versions,
	})
	switch {
	case err != nil && ctx.Err() != nil && o.once:
		return errIncomplete
	case err != nil && ctx.Err() != nil:
		return nil // interrupted during startup
	case err != nil:
		return err
	}
	_, _ = fmt.Fprintln(stderr, "ready")
	err = serve(ctx, &session{
		options: o, stack: running, generator: sampledata.New(o.seed, firstOrder()), binDir: filepath.Dir(program),
		stdout: stdout, stderr: stderr, notify: func(text string) { _, _ = fmt.Fprintln(stderr, text) },
	})
	_, _ = fmt.Fprintln(stderr, "stopping")
	return errors.Join(err, running.Stop())
}
