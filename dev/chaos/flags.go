package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"time"

	"orderflow/dev/chaos/internal/crash"
	"orderflow/dev/chaos/internal/rig"
	"orderflow/internal/config"
)

const (
	defaultBin   = ".local/chaos/bin"
	defaultDrain = 7 * time.Minute // longer than the longest pause between two attempts of a step
	maxMinutes   = 24 * 60
	maxCrashes   = 1000
	maxRate      = 200
)

// options are the parsed command line.
type options struct {
	minutes  float64
	seed     uint64
	bin      string
	crashes  int    // at each failpoint
	only     string // the only failpoint to crash at; empty means all
	scenario scenario
	state    string // empty means a temporary folder, removed if the run finds no violation
	keep     bool   // keep the folder
	rate     float64
	// kurrentdb is the connection string of an external KurrentDB; empty means
	// kurrentsim. It may contain a password.
	kurrentdb string
	// checkOnly is for callers that do something else with that KurrentDB before the run.
	checkOnly bool
	drain     time.Duration
	verbose   bool
}

// command collects all invalid flags: the flag package stops at the first.
type command struct {
	options
	named  string // name of the scenario
	faults []config.Fault
	flags  *flag.FlagSet
}

// parseOptions reads the command line. It returns flag.ErrHelp after printing help to
// stdout.
func parseOptions(args []string, stdout io.Writer) (options, error) {
	c := &command{flags: flag.NewFlagSet("chaos", flag.ContinueOnError), options: options{
		minutes: 1, seed: uint64(rand.Uint32()), bin: defaultBin, drain: defaultDrain,
	}, named: soak}
	c.declare()
	var discarded bytes.Buffer
	c.flags.SetOutput(&discarded)
	switch err := c.flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprint(stdout, usage())
		c.flags.SetOutput(stdout)
		c.flags.PrintDefaults()
		return options{}, err
	case err != nil:
		c.fault("arguments", "%s", err)
	case c.flags.NArg() > 0:
		c.fault("arguments", "unexpected %q: only flags are accepted", c.flags.Arg(0))
	}
	c.check()
	if len(c.faults) > 0 {
		return options{}, &config.Error{Faults: c.faults}
	}
	return c.options, nil
}

func usage() string {
	var b strings.Builder
	b.WriteString("chaos breaks Orderflow in every way that it is meant to survive, and checks whether anything was lost or duplicated.\n\nScenarios:\n")
	for _, s := range scenarios() {
		fmt.Fprintf(&b, "  %-14s %s\n", s.name, s.about)
	}
	b.WriteString("\n")
	return b.String()
}

func (c *command) declare() {
	f := c.flags
	f.StringVar(&c.bin, "bin", c.bin, "`folder` of worker, starter, kurrentsim, sessim and checker")
	f.StringVar(&c.state, "state", "", "`folder` for databases and logs (default a temporary one, removed if there are no violations)")
	f.BoolVar(&c.keep, "keep", false, "keep that folder in any case")
	f.BoolVar(&c.checkOnly, "check", false, "only check that the server at --kurrentdb holds no orders")
	f.BoolVar(&c.verbose, "v", false, "print each fault")
	f.StringVar(&c.only, "only", "", "crash only at this failpoint")
	f.StringVar(&c.named, "scenario", c.named, "run the scenario of this `name`")
	c.value("kurrentdb", "connection `string` of a KurrentDB without orders that nothing else uses, instead of kurrentsim", func(v string) string {
		c.kurrentdb = v
		if err := rig.CheckKurrentDB(v); err != nil {
			return err.Error()
		}
		return ""
	})
	c.value("minutes", "how long orders are placed and things break (default 1)", func(v string) string {
		n, err := strconv.ParseFloat(v, 64)
		c.minutes = n
		return unless(err == nil && n > 0 && n <= maxMinutes, fmt.Sprintf("must be above 0 and at most %d", maxMinutes))
	})
	c.value("seed", "seed of orders and faults (default random)", func(v string) string {
		n, err := strconv.ParseUint(v, 10, 64)
		c.seed = n
		return unless(err == nil, "must be a whole number, not below zero")
	})
	c.value("crashes", "how often to crash at each failpoint (default 0)", func(v string) string {
		n, err := strconv.Atoi(v)
		c.crashes = n
		return unless(err == nil && n >= 0 && n <= maxCrashes, fmt.Sprintf("must be from 0 to %d", maxCrashes))
	})
	c.value("rate", "orders per second (default the scenario's)", func(v string) string {
		n, err := strconv.ParseFloat(v, 64)
		c.rate = n
		return unless(err == nil && n > 0 && n <= maxRate, fmt.Sprintf("must be above 0 and at most %d", maxRate))
	})
	c.value("drain", "how long everything may take to settle (default 7m)", func(v string) string {
		d, err := time.ParseDuration(v)
		c.drain = d
		return unless(err == nil && d > 0, "must be a duration such as 3m")
	})
}

// value declares a flag whose error is collected instead of ending the parsing.
func (c *command) value(name, usage string, set func(string) string) {
	c.flags.Func(name, usage, func(v string) error {
		if problem := set(v); problem != "" {
			c.fault("--"+name, "%s", problem)
		}
		return nil
	})
}

func unless(ok bool, problem string) string {
	if ok {
		return ""
	}
	return problem
}

func (c *command) fault(name, format string, args ...any) {
	c.faults = append(c.faults, config.Fault{Name: name, Problem: fmt.Sprintf(format, args...)})
}

// check finds the scenario, and flags that cannot be combined.
func (c *command) check() {
	var known bool
	if c.scenario, known = findScenario(c.named); !known {
		c.fault("--scenario", "must be one of %s", strings.Join(scenarioNames(), ", "))
	}
	if _, err := crash.Select(c.only); err != nil {
		c.fault("--only", "%s", err)
	}
	if c.checkOnly && c.kurrentdb == "" {
		c.fault("--check", "needs --kurrentdb")
	}
	if c.only != "" && c.crashes == 0 {
		c.crashes = 1
	}
}

// again returns the command line that repeats a run.
func (o options) again() string {
	args := []string{"chaos", "--seed", strconv.FormatUint(o.seed, 10), "--bin", o.bin}
	if o.scenario.name != soak {
		args = append(args, "--scenario", o.scenario.name)
	}
	if o.scenario.orders == 0 {
		args = append(args, "--minutes", strconv.FormatFloat(o.minutes, 'g', -1, 64))
	}
	if o.crashes > 0 {
		args = append(args, "--crashes", strconv.Itoa(o.crashes))
	}
	if o.only != "" {
		args = append(args, "--only", o.only)
	}
	if at, err := url.Parse(o.kurrentdb); err == nil && o.kurrentdb != "" {
		args = append(args, "--kurrentdb", at.Redacted())
	}
	if o.rate > 0 {
		args = append(args, "--rate", strconv.FormatFloat(o.rate, 'g', -1, 64))
	}
	return strings.Join(args, " ")
}
