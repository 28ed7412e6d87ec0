package doctor

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"orderflow/internal/shell"
)

// Print writes a table for people: one line per check, and below it, for each finding, why
// it matters and what to do. Many checks of one store that were not made for the same
// reason share a line.
func Print(w io.Writer, results []Result) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range joined(results) {
		fmt.Fprintf(table, "%s\t%s\t%s\n", r.Status, r.Check, shell.Printable(r.Found))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		if r.Do == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s: %s\n  why: %s\n  do:  %s\n", r.Check, shell.Printable(r.Found), r.Why, r.Do); err != nil {
			return err
		}
	}
	s := Summarize(results)
	_, err := fmt.Fprintf(w, "\nchecks: %d, findings: %d, failed: %d\n", len(results), s.Findings, s.Failed)
	return err
}

// fewSkipped is how many checks that were skipped for one reason have a line each.
const fewSkipped = 3

// joined returns the results with each long run of skipped checks of one store as one.
func joined(results []Result) (lines []Result) {
	for begin := 0; begin < len(results); {
		end, store := begin+1, storeOf(results[begin])
		for end < len(results) && results[end].Status == NotChecked && results[end].Found == results[begin].Found && storeOf(results[end]) == store {
			end++
		}
		if end-begin > fewSkipped {
			lines = append(lines, Result{Check: store + "/*", Status: NotChecked, Found: results[begin].Found})
		} else {
			lines = append(lines, results[begin:end]...)
		}
		begin = end
	}
	return lines
}

func storeOf(r Result) string {
	store, _, _ := strings.Cut(r.Check, "/")
	return store
}
