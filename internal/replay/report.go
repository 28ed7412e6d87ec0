package replay

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"orderflow/internal/shell"
)

// result is what came of one run.
type result string

const (
	replayed   result = "replayed"
	fresh      result = "new"             // no workflow task has completed: nothing to compare
	gone       result = "gone"            // deleted since it was listed
	differs    result = "non-determinism" // the code does something else than was recorded
	failed     result = "failed"          // the code or the SDK failed otherwise, such as on a payload
	unknown    result = "unknown-type"    // the build has no such workflow
	unreadable result = "unreadable"      // too large to be read, or its replay takes too long
)

// maxPrinted bounds the table of problems. The JSON encoding has all of them, at most as
// many as the sample.
const maxPrinted = 100

// Report says what was replayed. Its JSON encoding is the output of -o json.
type Report struct {
	Query    string    `json:"query"`
	Types    []*Type   `json:"types"` // sorted by name
	Problems []Problem `json:"problems"`
	Left     int       `json:"left"` // workflows that this build cannot continue
	Seconds  float64   `json:"seconds"`

	mu     sync.Mutex
	unseen int // workflows that could not be read or replayed
}

// Type counts the workflows of one type.
type Type struct {
	Type     string `json:"type"`
	Known    bool   `json:"known"`  // this build has it
	Found    int    `json:"found"`  // selected by the query
	Pinned   int    `json:"pinned"` // of those found, not replayed because they stay on their version
	Sampled  int    `json:"sampled"`
	Replayed int    `json:"replayed"`
	New      int    `json:"new"`  // of the sample, without a completed workflow task
	Gone     int    `json:"gone"` // of the sample, deleted since
	Failed   int    `json:"failed"`
	Unread   int    `json:"unread"` // of the sample, too large, or their replay takes too long
}

// Problem is a workflow that this build cannot continue, or a workflow type that it does
// not have, with one of its workflows.
type Problem struct {
	Type       string `json:"type"`
	WorkflowID string `json:"workflowId"`
	RunID      string `json:"runId"`
	Problem    result `json:"problem"`
	Detail     string `json:"detail"`
}

func newReport(query string) *Report {
	return &Report{Query: query, Types: []*Type{}, Problems: []Problem{}}
}

// begin adds a type and what was found of it.
func (r *Report) begin(name string, s *sample, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &Type{Type: name, Known: known, Found: s.found, Pinned: s.pinned}
	r.Types = append(r.Types, t)
	switch missing := s.found - s.pinned; {
	case known:
		t.Sampled = len(s.runs)
	case missing > 0:
		t.Failed = missing
		r.Left += missing
		r.list(s.first, unknown, fmt.Sprintf("this build has no workflow type %s, of which there are %d", name, missing))
	}
}

// add counts the result of one run.
func (r *Report) add(e execution, what result, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.Types[slices.IndexFunc(r.Types, func(t *Type) bool { return t.Type == e.Type })]
	switch what {
	case replayed:
		t.Replayed++
		return
	case fresh:
		t.New++
		return
	case gone:
		t.Gone++
		return
	case unreadable:
		t.Unread++
		r.unseen++
	default:
		t.Failed++
		r.Left++
	}
	r.list(e, what, detail)
}

func (r *Report) list(e execution, what result, detail string) {
	r.Problems = append(r.Problems, Problem{Type: e.Type, WorkflowID: e.WorkflowID, RunID: e.RunID, Problem: what, Detail: detail})
}

// unread returns an error if a history could not be read.
func (r *Report) unread() error {
	if r.unseen == 0 {
		return nil
	}
	return fmt.Errorf("%d histories could not be read", r.unseen)
}

func (r *Report) finish(took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Seconds = took.Round(time.Millisecond).Seconds()
	slices.SortFunc(r.Types, func(a, b *Type) int { return strings.Compare(a.Type, b.Type) })
	slices.SortFunc(r.Problems, func(a, b Problem) int { return strings.Compare(a.WorkflowID+a.RunID, b.WorkflowID+b.RunID) })
}

// Print writes a table of the types, and one of the first problems.
func (r *Report) Print(w io.Writer) error {
	if len(r.Types) == 0 {
		_, err := fmt.Fprintf(w, "there are none: %s\n", r.Query)
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TYPE\tFOUND\tPINNED\tSAMPLED\tREPLAYED\tNEW\tGONE\tFAILED\tUNREAD")
	for _, t := range r.Types {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n",
			shell.Printable(t.Type), t.Found, t.Pinned, t.Sampled, t.Replayed, t.New, t.Gone, t.Failed, t.Unread)
	}
	if len(r.Problems) > 0 {
		fmt.Fprintln(table, "\nWORKFLOW\tRUN\tPROBLEM\tDETAIL")
		for _, p := range r.Problems[:min(len(r.Problems), maxPrinted)] {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", shell.Printable(p.WorkflowID), p.RunID, p.Problem, shell.Printable(p.Detail))
		}
	}
	if more := len(r.Problems) - maxPrinted; more > 0 {
		fmt.Fprintf(table, "and %d more\n", more)
	}
	return table.Flush()
}
