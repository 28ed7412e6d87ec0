// Selftest is the test of the judge: it plants known bugs into a copy of the tree, one at a time, runs a scenario of
// dev/chaos that lets the bug do its harm, and demands that the checker complains of just that. Each scenario also runs
// without a bug and must come out clean, so that a checker that always complains does not pass.
//
//	selftest [--only NAME] [--keep] [--seed N]
//
// The patches stand in dev/checker/bugs; which scenario shows which is the table in bugs.go. Exit codes: 0, every bug was
// caught and every scenario is clean without one; 3, not so; 1, it could not run; 2, bad arguments.
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
)

// The exit codes beside 0.
const (
	exitFailure   = 1
	exitArguments = 2
	exitMissed    = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(exitCode(err, os.Stderr))
}

var (
	errMissed    = errors.New("not every bug was caught")
	errArguments = errors.New("arguments")
)

func exitCode(err error, stderr io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	_, _ = fmt.Fprintln(stderr, err)
	switch {
	case errors.Is(err, errMissed):
		return exitMissed
	case errors.Is(err, errArguments):
		return exitArguments
	default:
		return exitFailure
	}
}

// options are what the command line asks for.
type options struct {
	only string // the one bug to plant, by the beginning of its name
	keep bool   // the copy of the tree, with databases and logs of what went wrong
	seed uint64
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("selftest", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.only, "only", "", "plant only the bugs whose names begin with `NAME`")
	flags.BoolVar(&o.keep, "keep", false, "keep the copy of the tree and what the runs left")
	flags.Uint64Var(&o.seed, "seed", 1, "`N` of the first run; another try takes the next")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(stderr)
		flags.Usage()
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w: %w", errArguments, err)
	case flags.NArg() > 0:
		return o, fmt.Errorf("%w: unexpected %q", errArguments, flags.Arg(0))
	case len(selected(o.only)) == 0:
		return o, fmt.Errorf("%w: no bug is called %s", errArguments, o.only)
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "checker-selftest-")
	if err != nil {
		return fmt.Errorf("copy the tree: %w", err)
	}
	if o.keep {
		_, _ = fmt.Fprintln(stderr, "everything is in", dir)
	} else {
		defer func() { _ = os.RemoveAll(dir) }() // a temporary folder's remains harm nobody
	}
	t, err := copyTree(ctx, dir)
	if err != nil {
		return err
	}
	s := &suite{tree: t, seed: o.seed, out: stdout}
	return s.run(ctx, selected(o.only))
}
