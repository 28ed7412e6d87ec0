package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"orderflow/dev/fidelity/internal/probe"
	"orderflow/internal/config"
)

const (
	// defaultQuiet is longer than the second after which a real server checks its groups
	// again.
	defaultQuiet    = 2 * time.Second
	defaultParallel = 8
	maxParallel     = 64
)

// options are the parsed command line. Exactly one of kurrentsim and url is set.
type options struct {
	kurrentsim string // the program to start and ask
	url        string // connection string of an external server
	second     probe.Credentials
	throwaway  bool           // the server's streams are no longer needed
	only       *regexp.Regexp // nil means all probes
	all        bool           // include probes that the transcript lacks
	out        string         // file for the transcript; empty means none
	quiet      time.Duration
	parallel   int
}

// parseOptions reads the command line. It returns flag.ErrHelp after printing the help.
func parseOptions(args []string, stdout io.Writer) (options, error) {
	o := options{quiet: defaultQuiet, parallel: defaultParallel}
	flags := flag.NewFlagSet("fidelity", flag.ContinueOnError)
	var complaint bytes.Buffer
	flags.SetOutput(&complaint)
	flags.StringVar(&o.kurrentsim, "kurrentsim", "", "the kurrentsim `program`, to start and to ask")
	flags.StringVar(&o.url, "url", "", "connection `string` of another server to ask; what is asked stays in it")
	flags.StringVar(&o.second.Name, "user2", "", "`name` of a user in no group, for the access. probes of the server at --url")
	flags.StringVar(&o.second.Password, "pass2", "", "that user's `password`")
	flags.BoolVar(&o.throwaway, "throwaway", false, "ask the server at --url even if it holds streams of its users")
	flags.BoolVar(&o.all, "all", false, "ask also what the transcript of the real server lacks, to record it")
	flags.StringVar(&o.out, "out", "", "`file` for the transcript of what was answered")
	flags.DurationVar(&o.quiet, "quiet", o.quiet, "how long a silence must last to count as one")
	flags.IntVar(&o.parallel, "parallel", o.parallel, "how many probes to run at the same time")
	flags.Func("only", "`regular expression` of the names of the probes to run", func(text string) (err error) {
		o.only, err = regexp.Compile(text)
		return err
	})
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stdout, "fidelity compares how a server behaves with the transcript of a real KurrentDB.")
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return o, err
	case err != nil:
		return o, config.Invalid("arguments", "%s", strings.ReplaceAll(err.Error(), "\n", " "))
	case flags.NArg() > 0:
		return o, config.Invalid("arguments", "only flags are taken")
	}
	return o, o.check()
}

func (o options) check() error {
	var faults []error
	if (o.kurrentsim == "") == (o.url == "") {
		faults = append(faults, config.Invalid("--kurrentsim", "either it or --url is required, not both"))
	}
	if o.quiet <= 0 {
		faults = append(faults, config.Invalid("--quiet", "must be above zero"))
	}
	if o.parallel < 1 || o.parallel > maxParallel {
		faults = append(faults, config.Invalid("--parallel", "must be from 1 to %d", maxParallel))
	}
	return config.Merge(faults...)
}
