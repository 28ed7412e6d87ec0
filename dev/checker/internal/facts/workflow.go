package facts

import (
	"slices"
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

	HoldEnd  *Turn // what ended the wait for a decision about the credit; nil when there was none
	Shipping *Turn // what ended the wait for the shipment
}

// Turn is what had reached a run when the workflow task began that ended a wait: the first one with anything to end it.
type Turn struct {
	Timer    bool     // the wait's own had fired
	Messages []string // their names; a native cancellation is a cancel-order
}

// The messages that end a wait.
const (
	MessageCancel  = "cancel-order"
	MessageShip    = "record-shipment"
	MessageApprove = "approve-credit"
	MessageDecline = "decline-credit"
)

// Has reports whether a message was there. A wait that did not end has none.
func (t *Turn) Has(message string) bool { return t != nil && slices.Contains(t.Messages, message) }

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
