package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"orderflow/internal/config"
)

// command is a subcommand of the publisher: another one is another row of commands.
type command struct {
	name    string // its words
	usage   string // its arguments and flags
	summary string
	run     func(ctx context.Context, c invocation) error
}

func commands() []command {
	return []command{
		{"setup", "[--role NAME]", "make the role, its grants and the replication slot, as far as they are missing", setUp},
		{"list", "[-o table|json]", "list the orders that are set aside, with the reason", listSetAside},
		{"retry", "ORDER | --all", "publish what is set aside of an order, for a cause that is mended", retry},
		{"snapshot", "", "have the whole history read once more, for an event store that was restored", orderSnapshot},
	}
}

// invocation is what a command was called with.
type invocation struct {
	command
	args           []string // what follows the command's words
	environ        []string
	stdout, stderr io.Writer
}

// dispatch runs the subcommand that args name.
func dispatch(ctx context.Context, c invocation) error {
	for _, known := range commands() {
		if c.args[0] == known.name {
			c.command, c.args = known, c.args[1:]
			err := known.run(ctx, c)
			if errors.Is(err, flag.ErrHelp) {
				return nil
			}
			return err
		}
	}
	if len(c.args) == 1 && slices.Contains([]string{"--help", "-help", "-h", "help"}, c.args[0]) {
		return usage(c.stdout)
	}
	return config.Invalid("arguments", "must be none, or one of: %s; see --help", strings.Join(names(), ", "))
}

func names() []string {
	var all []string
	for _, known := range commands() {
		all = append(all, known.name)
	}
	return all
}

func usage(w io.Writer) error {
	var lines strings.Builder
	table := tabwriter.NewWriter(&lines, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  publisher\tpublish what PostgreSQL holds to KurrentDB")
	for _, known := range commands() {
		fmt.Fprintf(table, "  publisher %s\t%s\n", strings.TrimSpace(known.name+" "+known.usage), known.summary)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "usage:\n%ssettings come from the environment; README.md lists them\n", lines.String())
	return err
}

// parse reads flags, wherever they stand, and gives the other arguments, at most so many.
func (c invocation) parse(flags *flag.FlagSet, most int) ([]string, error) {
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	var rest []string
	for args := c.args; ; {
		err := flags.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprintf(c.stdout, "usage: publisher %s\n%s\n", strings.TrimSpace(c.name+" "+c.usage), c.summary)
			flags.SetOutput(c.stdout)
			flags.PrintDefaults()
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
	if len(rest) > most {
		return nil, config.Invalid("arguments", "%s takes %s", c.name, c.usage)
	}
	return rest, nil
}
