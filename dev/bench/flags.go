package main

import (
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"orderflow/dev/bench/internal/scenario"
	"orderflow/dev/flags"
)

const (
	defaultBin    = ".local/bin"
	defaultState  = ".local/bench"
	defaultJSON   = ".local/bench/result.json"
	defaultRounds = 5
	maxRounds     = 100
	maxOrders     = 1_000_000
	defaultBudget = 15 * time.Minute
	maxBudget     = 24 * time.Hour
)

// options are the parsed command line.
type options struct {
	bin       string
	state     string
	json      string
	commit    string        // of the binaries
	budget    time.Duration // of the run; 0 for none
	size      scenario.Size
	scenarios []scenario.Scenario // at least one
}

// parseOptions reads the command line. It returns flag.ErrHelp after printing help to
// stdout.
func parseOptions(args []string, stdout io.Writer) (options, error) {
	o := options{scenarios: scenario.All(), size: scenario.Size{Rounds: defaultRounds}}
	only := regexp.MustCompile("")
	set := flags.New("bench")
	set.StringVar(&o.bin, "bin", defaultBin, "`folder` of worker, starter, publisher, projector, orderflow, kurrentsim and sessim")
	set.StringVar(&o.state, "state", defaultState, "`folder` for databases and logs; those of a scenario are removed unless it fails")
	set.StringVar(&o.json, "json", defaultJSON, "`file` that all samples are written to")
	set.StringVar(&o.commit, "commit", "", "`commit` of the binaries, if their build has not recorded it")
	set.Value("budget", "`time` after which what is left is skipped (default 15m, and none with --full)", func(value string) (err error) {
		o.budget, err = time.ParseDuration(value)
		return flags.Unless(err == nil && o.budget > 0 && o.budget <= maxBudget, "must be a duration of at most 24h, such as 15m")
	})
	set.BoolVar(&o.size.Full, "full", false, "measure the large sizes")
	set.Count(&o.size.Rounds, "rounds", "rounds of each interleaved measurement (default 5)", 1, maxRounds)
	set.Count(&o.size.Orders, "orders", "orders of each measurement, to try something: ratios of few orders mean little", 0, maxOrders)
	set.Value("only", "run only the scenarios whose names match this `regexp`", func(value string) (err error) {
		only, err = regexp.Compile(value)
		if err != nil {
			only = regexp.MustCompile("")
		}
		return flags.Unless(err == nil, "must be a regular expression")
	})
	err := set.ReadArguments(args, stdout, usage(), func() {
		if o.budget == 0 && !o.size.Full {
			o.budget = defaultBudget
		}
		o.scenarios = slices.DeleteFunc(o.scenarios, func(s scenario.Scenario) bool { return !only.MatchString(s.Name) })
		if len(o.scenarios) == 0 {
			set.Fault("--only", "matches no scenario")
		}
	})
	return o, err
}

func usage() string {
	var b strings.Builder
	b.WriteString("bench measures how fast Orderflow is, as ratios to ceilings measured in the same run.\n\nScenarios:\n")
	for _, s := range scenario.All() {
		b.WriteString("  " + s.Name + ": " + s.Title + "\n")
	}
	return b.String()
}
