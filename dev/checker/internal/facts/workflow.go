package facts

import (
	"slices"
	"time"

	"orderflow/internal/order"
)

// RunStatus is the status of a run according to the last event of its history.
type RunStatus string

// The states of a run. The runs of a workflow that was reset belong to one chain.
const (
	RunOpen       RunStatus = "open"
	RunCompleted  RunStatus = "completed"
	RunFailed     RunStatus = "failed"
	RunCanceled   RunStatus = "canceled"
	RunTerminated RunStatus = "terminated"
	RunOther      RunStatus = "timed out or continued"
)

// Run is one run of a workflow, according to its history.
type Run struct {
	WorkflowID string
	RunID      string
	Chain      string // the first run of those that continue or reset each other
	Status     RunStatus
	Began      time.Time
	Closed     time.Time // of a run that is not open

	SourceEventID string // the memo
	Input         Input
	OrderStatus   string // the last value of the search attribute
	Outcome       *Outcome

	HoldEnd  *Turn // what ended the wait for a credit decision; nil if there was none
	Shipping *Turn // what ended the wait for the shipment
}

// Turn is what had reached a run when the workflow task that ended a wait began: the
// first task with anything to end it.
type Turn struct {
	Timer    bool     // the timer of the wait had fired
	Messages []string // message names; a native cancellation counts as cancel-order
}

// The messages that end a wait.
const (
	MessageCancel  = "cancel-order"
	MessageShip    = "record-shipment"
	MessageApprove = "approve-credit"
	MessageDecline = "decline-credit"
)

// Has reports whether a message had arrived. A wait that did not end has none.
func (t *Turn) Has(message string) bool { return t != nil && slices.Contains(t.Messages, message) }

// Input is what an order's workflow was started with.
type Input struct {
	CustomerID    string
	Total         order.Money
	SourceEventID string
	Revision      uint64
}

// Outcome is the final state of the order in a closed run. Runs that failed or were
// canceled have one too.
type Outcome struct {
	Status order.Status
	Reason order.Reason
	Email  string // outcome of the newest email
}

// Open reports whether the run is not closed.
func (r Run) Open() bool { return r.Status == RunOpen }

// Chains returns the number of starts that led to the runs: resets and continuations
// share one start.
func Chains(runs []Run) int {
	starts := map[string]bool{}
	for _, r := range runs {
		starts[r.Chain] = true
	}
	return len(starts)
}
