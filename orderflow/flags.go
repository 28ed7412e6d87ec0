package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// value is a flag's value that is parsed by a function. It implements pflag.Value.
type value struct {
	kind string // its name in help
	set  func(text string) error
}

// Set parses the flag's text.
func (v value) Set(text string) error { return v.set(text) }

// Type returns the value's name in help.
func (v value) Type() string { return v.kind }

// String returns no default: a flag's usage says it in words.
func (v value) String() string { return "" }

// output is the output format of a listing.
type output string

// A table is for people. JSON is one document.
const (
	outputTable output = "table"
	outputJSON  output = "json"
)

// outputFlag adds --output to a command's flags.
func outputFlag(cmd *cobra.Command) *output {
	as := outputTable
	cmd.Flags().VarP(value{"format", func(text string) error {
		if output(text) != outputTable && output(text) != outputJSON {
			return errors.New("must be table or json")
		}
		as = output(text)
		return nil
	}}, "output", "o", "print a table, the default, or json")
	complete(cmd, "output", string(outputTable), string(outputJSON))
	return &as
}

// complete lets the shell complete a flag's value.
func complete(cmd *cobra.Command, flag string, choices ...string) {
	// It fails only for a flag that does not exist or is registered already.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp))
}

// print writes found to w: as JSON, or as a table with the given function.
func (o output) print(w io.Writer, found any, table func(io.Writer) error) error {
	if o == outputTable {
		return table(w)
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(found)
}

// printTable writes rows under a header, with tabs between their cells. It writes a note
// if there are no rows, and one if there are more.
func printTable(w io.Writer, header string, rows []string, more bool) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(w, "there are none")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, header)
	for _, row := range rows {
		fmt.Fprintln(table, row)
	}
	if err := table.Flush(); err != nil || !more {
		return err
	}
	_, err := fmt.Fprintf(w, "there are more than these %d: --limit\n", len(rows))
	return err
}

// The length of a listing is bounded, because it is held in memory.
const (
	defaultLimit = 100
	maxLimit     = 10_000
)

// limitFlag adds --limit to a command's flags: the maximum number of lines, from 1 to
// 10000, by default 100.
func limitFlag(cmd *cobra.Command) *int {
	limit := defaultLimit
	cmd.Flags().Var(value{"number", func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return fmt.Errorf("must be from 1 to %d", maxLimit)
		}
		limit = n
		return nil
	}}, "limit", fmt.Sprintf("list at most this many, 1 to %d; default %d", maxLimit, defaultLimit))
	return &limit
}

// timeFlag adds a flag that holds a time to a command's flags.
func timeFlag(cmd *cobra.Command, name, usage string) *time.Time {
	var at time.Time
	cmd.Flags().Var(value{"time", func(text string) (err error) {
		if at, err = time.Parse(time.RFC3339, text); err != nil {
			return errors.New("must be a time such as 2025-01-31T12:00:00Z")
		}
		return nil
	}}, name, usage)
	return &at
}
