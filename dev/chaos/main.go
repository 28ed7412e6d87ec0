// Chaos runs the whole of Orderflow, breaks it in every way that it is said to survive, waits until everything has come to
// rest, and has the checker look for anything lost or doubled.
//
//	chaos --minutes 10 --seed 7 --bin .local/chaos/bin
//
// It prints one JSON report on standard output and all else on standard error, and exits with 0 when nothing is wrong, 3 when
// something is, 1 when it could not run, and 2 on bad arguments.
//
// This package owns the command line, the table of scenarios, the order of a run and its report. The processes and proxies
// are left to internal/rig, what runs through them to internal/load, what breaks and when to internal/fault, and crashes at
// named points to the crash files here.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/signal"
	"syscall"

	"orderflow/dev/chaos/internal/rig"
	"orderflow/internal/config"
)

// exitViolations is the exit code of a run that found something wrong.
const exitViolations = 3

// errViolations says that the report lists what is wrong.
var errViolations = errors.New("something is wrong: see the report")

func main() {
	signal.Ignore(syscall.SIGPIPE) // whoever read our output may be gone: that must not end us in the middle of stopping
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second signal ends this process at once, and the children with it
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(exitCode(os.Stderr, err))
}

func exitCode(stderr io.Writer, err error) int {
	code := config.Report(stderr, err)
	if errors.Is(err, errViolations) {
		return exitViolations
	}
	return code
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.checkOnly {
		return rig.RequireNoOrders(ctx, o.kurrentdb)
	}
	return newSession(o, stdout, stderr).run(ctx)
}
