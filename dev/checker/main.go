// Checker verifies the invariants of Orderflow. It reads the raw stores (KurrentDB,
// Temporal, PostgreSQL and the inbox of accepted emails), checks the invariants, and
// prints one JSON document of counts and violations.
//
// It is independent: it shares only the decoding of order events with the product. It
// expects stores that no longer change, since it reads one after the other. Exit codes:
// 0, no violations; 3, violations found; 1, a store could not be read; 2, invalid
// arguments or environment.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"orderflow/dev/checker/internal/collect"
	"orderflow/dev/checker/internal/judge"
)

// The exit codes other than 0.
const (
	exitUnreadable = 1
	exitArguments  = 2
	exitViolated   = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(exitCode(err, os.Stderr))
}

// errViolated reports that the report contains violations.
var errViolated = errors.New("invariants are violated")

func exitCode(err error, stderr io.Writer) int {
	var invalid argumentError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errViolated):
		return exitViolated
	case errors.As(err, &invalid):
		_, _ = fmt.Fprintln(stderr, err)
		return exitArguments
	default:
		_, _ = fmt.Fprintln(stderr, err)
		return exitUnreadable
	}
}

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	s, err := parse(args, environ, stderr)
	if err != nil {
		return err
	}
	if s.list {
		return listInvariants(stdout, judge.All(judge.Scope{Publisher: true, View: true}))
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	report, err := check(ctx, s)
	if err != nil {
		return err
	}
	if err := report.write(stdout); err != nil {
		return err
	}
	if report.Counts["violations"] > 0 {
		return errViolated
	}
	return nil
}

// check collects and judges. KurrentDB's client can block past its context, so check does
// not wait for it longer than the context.
func check(ctx context.Context, s settings) (report, error) {
	type answer struct {
		report report
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		facts, err := collect.All(ctx, s.sources)
		if err != nil {
			done <- answer{err: err}
			return
		}
		done <- answer{report: newReport(facts, judge.Judge(facts, judge.All(s.scope())), s.limit)}
	}()
	select {
	case a := <-done:
		return a.report, a.err
	case <-ctx.Done():
		return report{}, fmt.Errorf("read the stores: %w", ctx.Err())
	}
}

func listInvariants(w io.Writer, invariants []judge.Invariant) error {
	for _, invariant := range invariants {
		if _, err := fmt.Fprintf(w, "%-24s %s\n", invariant.Name, invariant.Promise); err != nil {
			return err
		}
	}
	return nil
}
