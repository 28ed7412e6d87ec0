package setup

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// Store is one of the stores that are set up.
type Store string

// The stores. Different administrators may own them.
const (
	Postgres  Store = "postgres"
	KurrentDB Store = "kurrentdb"
	Temporal  Store = "temporal"
)

// Stores returns all stores in the order in which they are set up.
func Stores() []Store { return []Store{Postgres, KurrentDB, Temporal} }

// Outcome is what came of a step.
type Outcome string

// The outcomes of a step.
const (
	AlreadyThere Outcome = "already there"
	Created      Outcome = "created"
	Changed      Outcome = "changed"
	WouldCreate  Outcome = "would create" // in a dry run
	WouldChange  Outcome = "would change" // in a dry run
	Refused      Outcome = "refused"      // the user of this setup may not do it
	Left         Outcome = "left"         // only a person can do or decide it
	Failed       Outcome = "failed"
	Skipped      Outcome = "skipped" // not asked for, or another step has to come first
	Unknown      Outcome = "unknown" // the server does not show its clients whether it is done
)

// Result is what came of one step.
type Result struct {
	Store   Store    `json:"store"`
	Step    string   `json:"step"`
	Outcome Outcome  `json:"outcome"`
	Detail  string   `json:"detail,omitempty"`
	Todo    []string `json:"todo,omitempty"` // statements or commands for a person to run, one a line
}

// Report is the results of all steps, in their order.
type Report struct {
	DryRun bool     `json:"dryRun"`
	Steps  []Result `json:"steps"`
}

// Count returns how many steps have one of the outcomes.
func (r *Report) Count(outcomes ...Outcome) (n int) {
	for _, step := range r.Steps {
		if slices.Contains(outcomes, step.Outcome) {
			n++
		}
	}
	return n
}

// Print writes one line for each step, and then what is left to do.
func (r *Report) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STORE\tSTEP\tRESULT")
	for _, step := range r.Steps {
		result := string(step.Outcome)
		if step.Detail != "" {
			result += ": " + step.Detail
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", step.Store, step.Step, result)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, step := range r.Steps {
		if len(step.Todo) == 0 {
			continue
		}
		fmt.Fprintf(w, "\nto do for %s, %s:\n", step.Store, step.Step)
		for _, line := range step.Todo {
			if _, err := fmt.Fprintf(w, "    %s\n", line); err != nil {
				return err
			}
		}
	}
	return nil
}
