package facts

import (
	"time"

	"orderflow/internal/order"
)

// RunStatus is how a run stands, by the last event of its history.
type RunStatus string

// The states of a run. A workflow that was reset has runs of one chain.
const (
	RunOpen       RunStatus = "open"
	RunCompleted  RunStatus = "completed"
	RunFailed     RunStatus = "failed"
	RunCanceled   RunStatus = "canceled"
	RunTerminated RunStatus = "terminated"
	RunOther      RunStatus = "timed out or continued"
)

// Run is one run of a workflow, as its history tells it.
type Run struct {
	WorkflowID string
	RunID      string
	Chain      string // the first run of the ones that continue or reset each other
	Status     RunStatus
	Closed     time.Time // of a run that is not open

	SourceEventID string // the memo
	Input         Input
	OrderStatus   string // the search attribute as it was last set
	Outcome       *Outcome
}

// Input is what an order's workflow was started with.
type Input struct {
	CustomerID    string
	Total         order.Money
	SourceEventID string
	Revision      uint64
}

// Outcome is the order's state that a closed run ended with. A run that failed or was cancelled carries it too.
type Outcome struct {
	Status order.Status
	Reason order.Reason
	Email  string // what became of the newest mail
}

// Open tells whether the run is still on its way.
func (r Run) Open() bool { return r.Status == RunOpen }

// Chains counts the starts that led to the runs: resets and continuations are one start.
func Chains(runs []Run) int {
	starts := map[string]bool{}
	for _, r := range runs {
		starts[r.Chain] = true
	}
	return len(starts)
}
