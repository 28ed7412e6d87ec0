// Chaos runs all of Orderflow, breaks it in every way that it is meant to survive, waits
// until everything has settled, and has the checker look for anything lost or duplicated.
//
//	chaos --minutes 10 --seed 7 --bin .local/chaos/bin
//
// It prints one JSON report on standard output and everything else on standard error.
// Exit codes: 0, no violations; 3, violations found; 1, it could not run; 2, invalid
// arguments.
//
// This package owns the command line, the table of scenarios, the order of a run and its
// report. Processes and proxies belong to internal/rig, the workload to internal/load,
// faults and their schedule to internal/fault, and crashes at failpoints to
// internal/crash and the crash files here.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"

	"orderflow/dev/chaos/internal/rig"
	"orderflow/dev/programs"
	"orderflow/internal/config"
)

// exitViolations is the exit code of a run that found violations.
const exitViolations = 3

// errViolations reports that the report lists violations.
var errViolations = errors.New("violations found: see the report")

func main() {
	ctx, stop := programs.Context()
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
