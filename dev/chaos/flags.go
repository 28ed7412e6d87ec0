package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"time"

	"orderflow/dev/chaos/internal/crash"
	"orderflow/dev/chaos/internal/rig"
	"orderflow/dev/flags"
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
	release  string // the binaries that a scenario which upgrades them begins with
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

// command is the command line while it is read.
type command struct {
	options
	*flags.Set
	named string // name of the scenario
}

// parseOptions reads the command line. It returns flag.ErrHelp after printing help to
// stdout.
func parseOptions(args []string, stdout io.Writer) (options, error) {
	c := &command{Set: flags.New("chaos"), named: soak, options: options{
		minutes: 1, seed: uint64(rand.Uint32()), bin: defaultBin, drain: defaultDrain,
	}}
	c.declare()
	err := c.ReadArguments(args, stdout, usage(), c.check)
	return c.options, err
}

func usage() string {
	var b strings.Builder
	b.WriteString("chaos breaks Orderflow in every way that it is meant to survive, and checks whether anything was lost or duplicated.\n\nScenarios:\n")
	for _, s := range scenarios() {
		fmt.Fprintf(&b, "  %-14s %s\n", s.name, s.about)
	}
	return b.String()
}

func (c *command) declare() {
	c.StringVar(&c.bin, "bin", c.bin, "`folder` of worker, starter, kurrentsim, sessim and checker")
	c.StringVar(&c.release, "release", "", "`folder` of the binaries of a release, for a scenario that upgrades them")
	c.StringVar(&c.state, "state", "", "`folder` for databases and logs (default a temporary one, removed if there are no violations)")
	c.BoolVar(&c.keep, "keep", false, "keep that folder in any case")
	c.BoolVar(&c.checkOnly, "check", false, "only check that the server at --kurrentdb holds no orders")
	c.BoolVar(&c.verbose, "v", false, "print each fault")
	c.StringVar(&c.only, "only", "", "crash only at this failpoint")
	c.StringVar(&c.named, "scenario", c.named, "run the scenario of this `name`")
	c.Value("kurrentdb", "connection `string` of a KurrentDB without orders that nothing else uses, instead of kurrentsim", func(v string) error {
		c.kurrentdb = v
		return rig.CheckKurrentDB(v)
	})
	c.Value("minutes", "how long orders are placed and things break (default 1)", func(v string) error {
		n, err := strconv.ParseFloat(v, 64)
		c.minutes = n
		return flags.Unless(err == nil && n > 0 && n <= maxMinutes, "must be above 0 and at most %d", maxMinutes)
	})
	c.Seed(&c.seed, "seed", "seed of orders and faults (default random)")
	c.Count(&c.crashes, "crashes", "how often to crash at each failpoint (default 0)", 0, maxCrashes)
	c.Value("rate", "orders per second (default the scenario's)", func(v string) error {
		n, err := strconv.ParseFloat(v, 64)
		c.rate = n
		return flags.Unless(err == nil && n > 0 && n <= maxRate, "must be above 0 and at most %d", maxRate)
	})
	c.Value("drain", "how long everything may take to settle (default 7m)", func(v string) error {
		d, err := time.ParseDuration(v)
		c.drain = d
		return flags.Unless(err == nil && d > 0, "must be a duration such as 3m")
	})
}

// check finds the scenario, and flags that cannot be combined.
func (c *command) check() {
	var known bool
	if c.scenario, known = findScenario(c.named); !known {
		c.Fault("--scenario", "must be one of %s", strings.Join(scenarioNames(), ", "))
	}
	if c.scenario.upgrades != (c.release != "") {
		c.Fault("--release", "belongs to a scenario that upgrades binaries, and only to that")
	}
	if _, err := crash.Select(c.only); err != nil {
		c.Fault("--only", "%s", err)
	}
	if c.checkOnly && c.kurrentdb == "" {
		c.Fault("--check", "needs --kurrentdb")
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
	if o.release != "" {
		args = append(args, "--release", o.release)
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
