package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"orderflow/dev/sampledata"
	"orderflow/internal/config"
)

const (
	defaultState   = ".local"
	defaultRate    = 0.5 // orders per second: slow enough to read along
	minRate        = 0.001
	maxRate        = 1000
	maxGenerate    = 1_000_000
	maxTimeout     = 24 * time.Hour
	defaultTimeout = 10 * time.Minute
)

// options are the parsed command line.
type options struct {
	state     string
	autoPorts bool
	fresh     bool
	once      bool
	streams   []sampledata.Stream // from the files, in file order
	generate  int
	seed      uint64
	rate      float64 // generated orders per second; 0 means none
	timeout   time.Duration
	realSES   bool
}

// command collects all invalid flags: the flag package stops at the first.
type command struct {
	options
	files  []string
	faults []config.Fault
	flags  *flag.FlagSet
}

// parseOptions reads the command line and the files it names. It returns flag.ErrHelp
// after printing help to stdout.
func parseOptions(args []string, stdout io.Writer) (options, error) {
	c := &command{flags: flag.NewFlagSet("local", flag.ContinueOnError), options: options{
		state: defaultState, rate: defaultRate, timeout: defaultTimeout, seed: uint64(rand.Uint32()),
	}}
	c.declare()
	var discarded bytes.Buffer
	c.flags.SetOutput(&discarded)
	switch err := c.flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprint(stdout, usage)
		c.flags.SetOutput(stdout)
		c.flags.PrintDefaults()
		return options{}, err
	case err != nil:
		c.fault("arguments", "%s", err)
	case c.flags.NArg() > 0:
		c.fault("arguments", "unexpected %q: only flags are accepted", c.flags.Arg(0))
	}
	c.check()
	c.readFiles()
	if len(c.faults) > 0 {
		return options{}, &config.Error{Faults: c.faults}
	}
	return c.options, nil
}

const usage = `local runs all of Orderflow on this machine. See docs/tutorial.md for what it shows.

KURRENTDB_URL, TEMPORAL_ADDRESS, POSTGRES_URL and AWS_ENDPOINT_URL_SESV2 replace parts of the stack with running servers.

`

func (c *command) declare() {
	f := c.flags
	f.StringVar(&c.state, "state", c.state, "folder for databases, logs and stack.json")
	f.BoolVar(&c.fresh, "fresh", false, "delete the state of earlier runs first")
	f.BoolVar(&c.once, "once", false, "wait until the orders of this run are settled, print a report and stop")
	c.value("ports", "default, or auto for free ports (default default)", func(v string) string {
		c.autoPorts = v == "auto"
		return unless(c.autoPorts || v == "default", "must be default or auto")
	})
	c.value("orders", "append the streams of a `file`; repeatable", func(v string) string {
		c.files = append(c.files, v)
		return unless(v != "", "must name a file")
	})
	c.value("generate", "append this many generated orders at once", func(v string) string {
		n, err := strconv.Atoi(v)
		c.generate = n
		return unless(err == nil && n >= 1 && n <= maxGenerate, fmt.Sprintf("must be from 1 to %d", maxGenerate))
	})
	c.value("seed", "seed of the generated orders; the same seed produces the same orders (default random)", func(v string) string {
		n, err := strconv.ParseUint(v, 10, 64)
		c.seed = n
		return unless(err == nil, "must be a whole number, not below zero")
	})
	c.value("rate", fmt.Sprintf("generated orders per second, 0 for none (default %v)", c.rate), func(v string) string {
		n, err := strconv.ParseFloat(v, 64)
		c.rate = n
		inRange := n == 0 || n >= minRate && n <= maxRate
		return unless(err == nil && inRange, fmt.Sprintf("must be 0, or from %v to %d", minRate, maxRate))
	})
	c.value("timeout", fmt.Sprintf("how long --once may take (default %s)", c.timeout), func(v string) string {
		d, err := time.ParseDuration(v)
		c.timeout = d
		return unless(err == nil && d > 0 && d <= maxTimeout, "must be a duration such as 90s or 10m, up to 24h")
	})
	c.value("ses", "sim, or aws to send through Amazon SES; disables generated orders (default sim)", func(v string) string {
		c.realSES = v == "aws"
		return unless(c.realSES || v == "sim", "must be sim or aws")
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

// check finds flags that cannot be combined.
func (c *command) check() {
	if c.state == "" {
		c.fault("--state", "must name a folder")
	}
	if c.once && c.generate == 0 && len(c.files) == 0 {
		c.fault("--once", "needs --orders or --generate")
	}
	if c.realSES && c.generate > 0 {
		c.fault("--generate", "cannot be used with --ses aws: the generated addresses do not exist")
	}
	if c.realSES || c.once {
		c.rate = 0
	}
}

// readFiles reads all files before anything starts. A file with the same content as an
// earlier one is skipped: it holds the same orders, not more of them.
func (c *command) readFiles() {
	seen := map[[sha256.Size]byte]bool{}
	for _, path := range c.files {
		if path == "" {
			continue
		}
		content, err := readFile(path)
		if err != nil {
			c.fault("--orders "+path, "%s", err)
			continue
		}
		sum := sha256.Sum256(content)
		if seen[sum] {
			continue
		}
		seen[sum] = true
		streams, err := sampledata.ReadFile(bytes.NewReader(content))
		if err != nil {
			c.fault("--orders "+path, "%s", err)
		}
		c.streams = append(c.streams, streams...)
	}
}

// maxFile is slightly above the limit of package sampledata, whose own error message then
// applies.
const maxFile = 65 << 20

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		var failed *os.PathError
		if errors.As(err, &failed) {
			err = failed.Err // the message already contains the path
		}
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, maxFile))
}
