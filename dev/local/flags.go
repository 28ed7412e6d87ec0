package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"orderflow/dev/flags"
	"orderflow/dev/sampledata"
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
	versions  bool // two of the worker
}

// command is the command line while it is read.
type command struct {
	options
	*flags.Set
	files []string
}

// parseOptions reads the command line and the files it names. It returns flag.ErrHelp
// after printing help to stdout.
func parseOptions(args []string, stdout io.Writer) (options, error) {
	c := &command{Set: flags.New("local"), options: options{
		state: defaultState, rate: defaultRate, timeout: defaultTimeout, seed: uint64(rand.Uint32()),
	}}
	c.declare()
	err := c.ReadArguments(args, stdout, usage, func() {
		c.check()
		c.readFiles()
	})
	return c.options, err
}

const usage = `local runs all of Orderflow on this machine. See docs/tutorial.md for what it shows.

KURRENTDB_URL, TEMPORAL_ADDRESS, POSTGRES_URL and AWS_ENDPOINT_URL_SESV2 replace parts of the stack with running servers.
`

func (c *command) declare() {
	c.StringVar(&c.state, "state", c.state, "folder for databases, logs and stack.json")
	c.BoolVar(&c.fresh, "fresh", false, "delete the state of earlier runs first")
	c.BoolVar(&c.versions, "two-versions", false, "run the worker as two versions, v0.2.0 and v0.3.0, for docs/upgrades.md")
	c.BoolVar(&c.once, "once", false, "wait until the orders of this run are settled, print a report and stop")
	c.Value("ports", "default, or auto for free ports (default default)", func(v string) error {
		c.autoPorts = v == "auto"
		return flags.Unless(c.autoPorts || v == "default", "must be default or auto")
	})
	c.Value("orders", "append the streams of a `file`; repeatable", func(v string) error {
		c.files = append(c.files, v)
		return flags.Unless(v != "", "must name a file")
	})
	c.Count(&c.generate, "generate", "append this many generated orders at once", 1, maxGenerate)
	c.Seed(&c.seed, "seed", "seed of the generated orders; the same seed produces the same orders (default random)")
	c.Value("rate", fmt.Sprintf("generated orders per second, 0 for none (default %v)", c.rate), func(v string) error {
		n, err := strconv.ParseFloat(v, 64)
		c.rate = n
		inRange := n == 0 || n >= minRate && n <= maxRate
		return flags.Unless(err == nil && inRange, "must be 0, or from %v to %d", minRate, maxRate)
	})
	c.Value("timeout", fmt.Sprintf("how long --once may take (default %s)", c.timeout), func(v string) error {
		d, err := time.ParseDuration(v)
		c.timeout = d
		return flags.Unless(err == nil && d > 0 && d <= maxTimeout, "must be a duration such as 90s or 10m, up to 24h")
	})
	c.Value("ses", "sim, or aws to send through Amazon SES; disables generated orders (default sim)", func(v string) error {
		c.realSES = v == "aws"
		return flags.Unless(c.realSES || v == "sim", "must be sim or aws")
	})
}

// check finds flags that cannot be combined.
func (c *command) check() {
	if c.state == "" {
		c.Fault("--state", "must name a folder")
	}
	if c.once && c.generate == 0 && len(c.files) == 0 {
		c.Fault("--once", "needs --orders or --generate")
	}
	if c.realSES && c.generate > 0 {
		c.Fault("--generate", "cannot be used with --ses aws: the generated addresses do not exist")
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
			c.Fault("--orders "+path, "%s", err)
			continue
		}
		sum := sha256.Sum256(content)
		if seen[sum] {
			continue
		}
		seen[sum] = true
		streams, err := sampledata.ReadFile(bytes.NewReader(content))
		if err != nil {
			c.Fault("--orders "+path, "%s", err)
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
