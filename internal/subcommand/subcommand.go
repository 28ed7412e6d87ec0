// Package subcommand provides subcommands for operators: a table of them, their help,
// arguments with flags in any position, and listings as a table or as one JSON document.
// It owns how a subcommand is selected and how a fault in its arguments is worded. What a
// subcommand does is left to the binary.
package subcommand

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

// Program is a binary and its subcommands, one row each.
type Program struct {
	Name     string
	Summary  string // what it does without a subcommand
	Commands []Command
}

// Command is one subcommand.
type Command struct {
	Name    string // its words: "email list"
	Usage   string // its arguments and flags
	Summary string
	Run     func(ctx context.Context, c Call) error
}

// Call is a subcommand and its arguments.
type Call struct {
	Command
	Program        string
	Args           []string // the arguments after the command's words
	Environ        []string
	Stdin          *os.File // a file, so that a terminal can be recognized
	Stdout, Stderr io.Writer
}

// Dispatch runs the subcommand that the arguments name, or prints help. It returns a
// *config.Error if they name none.
func (p Program) Dispatch(ctx context.Context, c Call) error {
	c.Program = p.Name
	for _, known := range p.Commands {
		words := strings.Fields(known.Name)
		if len(c.Args) < len(words) || !slices.Equal(c.Args[:len(words)], words) {
			continue
		}
		c.Command, c.Args = known, c.Args[len(words):]
		err := known.Run(ctx, c)
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if last := len(c.Args) - 1; last >= 0 && slices.Contains([]string{"--help", "-help", "-h", "help"}, c.Args[last]) {
		return p.help(c.Stdout, strings.Join(c.Args[:last], " "))
	}
	return p.unknown()
}

func (p Program) unknown() error {
	var names []string
	for _, known := range p.Commands {
		names = append(names, known.Name)
	}
	return config.Invalid("arguments", "must be none, or one of: %s; see --help", strings.Join(names, ", "))
}

// help lists the subcommands that begin with the given words, or all of them.
func (p Program) help(w io.Writer, words string) error {
	var rows [][2]string
	if words == "" {
		rows = append(rows, [2]string{p.Name, p.Summary})
	}
	for _, known := range p.Commands {
		if words == "" || strings.HasPrefix(known.Name+" ", words+" ") {
			rows = append(rows, [2]string{strings.TrimSpace(p.Name + " " + known.Name + " " + known.Usage), known.Summary})
		}
	}
	if len(rows) == 0 {
		return p.unknown()
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "usage:")
	for _, row := range rows {
		fmt.Fprintf(table, "  %s\t%s\n", row[0], row[1])
	}
	fmt.Fprintln(table, "settings come from the environment; docs/configuration.md lists them")
	return table.Flush()
}
