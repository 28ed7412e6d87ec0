// Bench measures how fast Orderflow is, as ratios to ceilings that it measures on the same
// servers in the same run: the same server without the product around it. Ratios
// are comparable between machines with as many cores. The rounds of both sides alternate, and the table shows the
// median of the rounds' ratios with the least and the greatest.
//
//	bench                    # at most 15 minutes; --budget allows more
//	bench --full             # the large sizes, hours on a small machine
//	bench --only '^bridge$'
//
// It starts a Temporal development server, PostgreSQL, sessim and kurrentsim for each
// scenario, and the real binaries next to this program. KURRENTDB_URL names a real
// KurrentDB to use instead of kurrentsim: one that holds no orders, and keeps those of
// this run. Other variables reach the binaries, so that a setting can be compared with its
// default.
//
// It prints a table on standard output and its progress on standard error, and writes all
// samples to a JSON file. Exit codes: 0, whether goals were met or not; 1, a scenario
// failed, or was skipped because the budget was used up; 2, invalid arguments.
//
// This package owns the command line and the order of a run. Package scenario owns what is
// measured, package rig the servers and binaries, package load the orders, package measure
// the statistics and the goals, and package report the table and the files.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"

	"orderflow/dev/programs"
	"orderflow/internal/config"
)

func main() {
	ctx, stop := programs.Context()
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(config.Report(os.Stderr, err))
}

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	s := session{options: o, environ: environ, progress: stderr}
	failed := s.run(ctx)
	if len(s.report.Scenarios) == 0 {
		return failed
	}
	return errors.Join(failed, s.report.Table(stdout), s.report.Write(o.json))
}
