package subcommand

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// Output is the output format of a listing.
type Output string

// A table is for people. JSON is one document.
const (
	OutputTable Output = "table"
	OutputJSON  Output = "json"
)

// OutputFlag adds -o to the flags.
func OutputFlag(flags *flag.FlagSet) *Output {
	as := OutputTable
	flags.Func("o", "print a `table or json`, a table without it", func(text string) error {
		if Output(text) != OutputTable && Output(text) != OutputJSON {
			return errors.New("must be table or json")
		}
		as = Output(text)
		return nil
	})
	return &as
}

// Print writes found to w: as JSON, or as a table with the given function.
func (o Output) Print(w io.Writer, found any, table func(io.Writer) error) error {
	if o == OutputTable {
		return table(w)
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(found)
}

// Table writes rows under a header, with tabs between their cells. It writes a note if
// there are no rows, and one if there are more.
func Table(w io.Writer, header string, rows []string, more bool) error {
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

// LimitFlag adds --limit to the flags: the maximum number of lines, from 1 to 10000, by
// default 100.
func LimitFlag(flags *flag.FlagSet) *int {
	limit := defaultLimit
	usage := fmt.Sprintf("list at most this `number`, 1 to %d, %d without it", maxLimit, defaultLimit)
	flags.Func("limit", usage, func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return fmt.Errorf("must be from 1 to %d", maxLimit)
		}
		limit = n
		return nil
	})
	return &limit
}
