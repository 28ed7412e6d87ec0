package main

import (
	"orderflow/internal/order"
)

// workflowState is what Temporal says about the newest run of an order's workflow: none, open, or how it closed.
type workflowState string

const (
	workflowNone       workflowState = "none" // never started, deleted, or forgotten after its retention
	workflowOpen       workflowState = "open"
	workflowCompleted  workflowState = "completed"
	workflowFailed     workflowState = "failed"
	workflowCanceled   workflowState = "canceled"
	workflowTerminated workflowState = "terminated"
	workflowTimedOut   workflowState = "timed-out"
)

// creditState is what stands for an order on its customer's account.
type creditState string

const (
	creditNone     creditState = "none"
	creditReserved creditState = "reserved"
	creditHeld     creditState = "held"
	creditRefused  creditState = "refused"
	creditReleased creditState = "released"
	creditUnknown  creditState = "unknown" // the account's history cannot be trusted
)

// open reports whether the order has, or may have, something to give back to the account.
func (c creditState) open() bool { return c == creditReserved || c == creditHeld || c == creditUnknown }

// facts are what the three stores say about an order.
type facts struct {
	Workflow workflowState
	Row      order.Status // of the fulfilment; empty when there is no row
	Credit   creditState  // empty when nobody asked, because it does not matter
	LostMail bool         // a mail waits, and no workflow is there to send it
	InVain   bool         // the workflow waits for the shipment of an order whose row is final
	Erased   bool         // the order's stream is deleted
	Detail   string       // what else there is to say
}

// kind is in which way the stores disagree about an order.
type kind string

const (
	consistent kind = ""
	missing    kind = "missing"  // the order was placed, and nothing sees to it
	held       kind = "held"     // nothing sees to the order any more, and it holds something
	extra      kind = "extra"    // there is something of an order that nobody has placed
	unlinked   kind = "unlinked" // the server leaves an event of the order out of the subscription's stream
)

// remedy is what --fix does.
type remedy int

const (
	noRemedy remedy = iota
	start           // its workflow, as the bridge would have
	repair          // start OrderRepair
	cancel          // signal cancel-order: the workflow finds its order closed, and ends so
)

// judge compares the stores about an order that was placed.
//
//	workflow   row                  credit      judgement    remedy
//	open       any                  any         consistent   it is on its way
//	open (1)   final                any         held         cancel: it waits for what can change nothing any more
//	none       none                 any         missing      start
//	none       fulfilling           any         missing      start: by its row the order is alive, and goes on waiting
//	none       shipped              any         consistent   Temporal has forgotten it; its credit is its own until paid
//	none       rejected, cancelled  settled     consistent   Temporal has forgotten it
//	none       rejected, cancelled  open (2)    held         repair
//	closed     none                 any         held         repair
//	closed     fulfilling           any         held         repair
//	closed     shipped              any         consistent
//	closed     rejected, cancelled  settled     consistent
//	closed     rejected, cancelled  open        held         repair
//	not open   rejected, cancelled  unknown     held         none: somebody has to mend the account's stream first
//	not open   final, lost mail     any         held         repair: it sends what is due
//
// An order whose stream is deleted cannot be started, for its body is gone, and need not be:
//
//	not open   none                 settled     consistent   nothing is left of it
//	not open   none                 open        held         repair
//	none       fulfilling           any         held         repair
//
// (1) It waits for its shipment, and nothing of it is under way: the workflow was reset to a moment before its order was
// closed.
//
// (2) Reserved, or held for an operator whom nobody asks any more. Settled is refused, released, or never decided.
//
// Closed is closed in whatever way: a workflow that completed, failed or was canceled has undone what it did, so it is
// only one that was terminated or timed out that is found holding something.
func judge(f facts) (kind, remedy) {
	final := f.Row.Final()
	switch {
	case f.Workflow == workflowOpen:
		if f.InVain && final {
			return held, cancel
		}
		return consistent, noRemedy
	case final && f.Row != order.StatusShipped && f.Credit == creditUnknown:
		return held, noRemedy
	case final && f.LostMail, final && f.Row != order.StatusShipped && f.Credit.open():
		return held, repair
	case final:
		return consistent, noRemedy
	case f.Erased && f.Row == "" && !f.Credit.open():
		return consistent, noRemedy
	case f.Workflow == workflowNone && !f.Erased:
		return missing, start
	default:
		return held, repair
	}
}
