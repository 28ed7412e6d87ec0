// Selftest tests the checker. It plants known bugs into a copy of the tree, one at a
// time, runs the scenario of dev/chaos in which the bug does harm, and requires that the
// checker reports exactly that harm. Each scenario also runs without a bug and must be
// clean, so that a checker that always reports violations does not pass.
//
//	selftest [--only NAME] [--keep] [--seed N]
//
// The patches are in dev/checker/bugs. The table in bugs.go assigns each a scenario. Exit
// codes: 0, every bug was caught and every scenario is clean without one; 3, otherwise;
// 1, it could not run; 2, invalid arguments.
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

// The exit codes other than 0.
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

// options are the parsed command line.
type options struct {
	only string // plant only bugs whose names start with this
	keep bool   // keep the copy of the tree, with the databases and logs of failed runs
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
		return o, fmt.Errorf("%w: no bug has a name that starts with %s", errArguments, o.only)
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
		_, _ = fmt.Fprintln(stderr, "keeping state in", dir)
	} else {
		defer func() { _ = os.RemoveAll(dir) }() // leftovers in a temporary folder are harmless
	}
	t, err := copyTree(ctx, dir)
	if err != nil {
		return err
	}
	s := &suite{tree: t, seed: o.seed, out: stdout}
	return s.run(ctx, selected(o.only))
}
