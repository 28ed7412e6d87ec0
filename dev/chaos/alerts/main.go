// Alerts proves that the alerts of deploy/prometheus fire for the faults that they are for,
// and for no others.
//
//	alerts --bin .local/chaos/bin --only postgres
//
// It runs all of Orderflow with a workload under Debian's Prometheus, first without a fault
// and then with one fault after the other. Each alert that the table of faults names has to
// fire, none that the table does not name may, and all have to clear once the fault is over.
// The durations of the rules are divided by --faster; their expressions and thresholds are
// otherwise those that ship.
//
// Exit codes: 0, every fault had its alerts; 3, one had not; 1, it could not run; 2, invalid
// arguments.
//
// This package owns the table of faults, how rules are made faster, and the page's matrix,
// which is written from the table. Processes and proxies belong to the rig of package chaos,
// the orders to its load.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"regexp"
	"slices"
	"time"

	"orderflow/dev/flags"
	"orderflow/dev/programs"
	"orderflow/internal/config"
)

// exitDiffers is the exit code of a run with alerts that differ from the table.
const exitDiffers = 3

// errDiffers reports that the alerts of a fault were not those of the table.
var errDiffers = errors.New("alerts differ from the table of faults")

func main() {
	ctx, stop := programs.Context()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	code := config.Report(os.Stderr, err)
	if errors.Is(err, errDiffers) {
		code = exitDiffers
	}
	os.Exit(code)
}

// options are the parsed command line.
type options struct {
	bin    string
	rules  string
	state  string // empty means a temporary folder, removed if all is well
	only   *regexp.Regexp
	faster int
	quiet  time.Duration
}

func parseOptions(args []string, stdout io.Writer) (options, error) {
	o := options{bin: ".local/chaos/bin", rules: "deploy/prometheus/orderflow.rules.yaml", faster: 60, only: regexp.MustCompile("")}
	c := flags.New("alerts")
	c.StringVar(&o.bin, "bin", o.bin, "`folder` of the binaries, built with failpoints")
	c.StringVar(&o.rules, "rules", o.rules, "`file` of the rules")
	c.StringVar(&o.state, "state", "", "`folder` for databases and logs (default a temporary one, removed if all is well)")
	c.Count(&o.faster, "faster", "divide the durations of the rules by this", 1, 600)
	c.DurationVar(&o.quiet, "quiet", time.Minute, "how long the run without a fault takes")
	c.Value("only", "only the faults whose names match this expression", func(v string) (err error) {
		o.only, err = regexp.Compile(v)
		return err
	})
	err := c.ReadArguments(args, stdout, "alerts injects faults into Orderflow and demands that the right alerts fire and clear.\n", func() {
		if !slices.ContainsFunc(faults(), func(f fault) bool { return o.only.MatchString(f.name) }) {
			c.Fault("--only", "matches no fault")
		}
	})
	return o, err
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return newSession(o, stderr).run(ctx)
}
