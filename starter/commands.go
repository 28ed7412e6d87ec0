package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"orderflow/internal/config"
)

// command is a subcommand of the starter: another one is another row of commands.
type command struct {
	name    string // its words
	usage   string // its arguments and flags
	summary string
	run     func(ctx context.Context, c invocation) error
}

func commands() []command {
	return []command{
		{"group create", "", "make the subscription's group", createGroup},
		{"reconcile", "[--since T] [--fix] [--grace D] [--wait D] [-o table|json]", "compare what was placed with workflows, credit and fulfilments", reconcile},
		{"parked list", "[--from N] [--limit N] [-o table|json]", "list the events that can never have their effect, with the reason", listParked},
		{"parked show", "N [--body] [-o table|json]", "print one of them; its body holds personal data, so it takes --body", showParked},
		{"parked replay", "[--until N]", "hand those up to number N out again, or all: for a cause that is mended", replayParked},
		{"parked drop", "--until N [--yes]", "give those up to number N up for good; asks, unless --yes is there", dropParked},
	}
}

// invocation is what a command was called with.
type invocation struct {
	command
	args           []string // what follows the command's words
	environ        []string
	stdin          *os.File
	stdout, stderr io.Writer
}

// coded is an error of a command that asks for an exit code of its own.
type coded interface {
	error
	ExitCode() int
}

func exitCode(stderr io.Writer, err error) int {
	code := config.Report(stderr, err)
	if own, ok := errors.AsType[coded](err); ok {
		return own.ExitCode()
	}
	return code
}

// dispatch runs the subcommand that args name.
func dispatch(ctx context.Context, c invocation) error {
	for _, known := range commands() {
		words := strings.Fields(known.name)
		if len(c.args) >= len(words) && slices.Equal(c.args[:len(words)], words) {
			c.command, c.args = known, c.args[len(words):]
			err := known.run(ctx, c)
			if errors.Is(err, flag.ErrHelp) {
				return nil
			}
			return err
		}
	}
	if len(c.args) <= 2 && isHelp(c.args[len(c.args)-1]) {
		return usage(c.stdout, c.args[:len(c.args)-1])
	}
	return config.Invalid("arguments", "must be none, or one of: %s; see --help", strings.Join(names(), ", "))
}

func isHelp(word string) bool {
	return slices.Contains([]string{"--help", "-help", "-h", "help"}, word)
}

func names() []string {
	var all []string
	for _, known := range commands() {
		all = append(all, known.name)
	}
	return all
}

// usage lists the commands that begin with the given words, or all.
func usage(w io.Writer, words []string) error {
	var lines strings.Builder
	table := tabwriter.NewWriter(&lines, 0, 0, 2, ' ', 0)
	if len(words) == 0 {
		fmt.Fprintln(table, "  starter\tbridge events from KurrentDB to Temporal")
	}
	found := 0
	for _, known := range commands() {
		if strings.HasPrefix(known.name, strings.Join(words, " ")) {
			found++
			fmt.Fprintf(table, "  starter %s\t%s\n", strings.TrimSpace(known.name+" "+known.usage), known.summary)
		}
	}
	if found == 0 {
		return config.Invalid("arguments", "must be one of: %s", strings.Join(names(), ", "))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "usage:\n%ssettings come from the environment; README.md lists them\n", lines.String())
	return err
}

// parse reads flags, wherever they stand, and gives the other arguments: those named, no more and no fewer.
func (c invocation) parse(flags *flag.FlagSet, names ...string) ([]string, error) {
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	var rest []string
	for args := c.args; ; {
		err := flags.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			c.help(flags)
			return nil, err
		}
		if err != nil {
			return nil, config.Invalid("arguments", "%s", err)
		}
		if flags.NArg() == 0 {
			break
		}
		rest, args = append(rest, flags.Arg(0)), flags.Args()[1:]
	}
	switch {
	case len(rest) > len(names):
		return nil, config.Invalid("arguments", "%s takes %s", c.name, orNone(names))
	case len(rest) < len(names):
		return nil, config.Invalid(names[len(rest)], "is required")
	}
	return rest, nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no arguments"
	}
	return "only " + strings.Join(names, " ")
}

// help goes to standard output: it was asked for.
func (c invocation) help(flags *flag.FlagSet) {
	_, _ = fmt.Fprintf(c.stdout, "usage: starter %s\n%s\n", strings.TrimSpace(c.name+" "+c.usage), c.summary)
	flags.SetOutput(c.stdout)
	flags.PrintDefaults()
}
