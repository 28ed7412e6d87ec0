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

// ended reports whether the workflow came to its end by itself: what it says then is a fact.
func (s workflowState) ended() bool {
	return s == workflowCompleted || s == workflowFailed || s == workflowCanceled
}

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

// facts are what the stores say about an order.
type facts struct {
	Workflow   workflowState
	Failures   int32        // of the open workflow's current task, in a row
	Fulfilling bool         // the open workflow says so: its row was written
	Result     order.State  // what the workflow ended with; zero when it says nothing
	Row        order.Status // of the fulfilment; empty when there is no row
	Published  order.Status // the last on its fulfillment stream; empty when nobody asked, because it does not matter
	Credit     creditState  // empty when nobody asked, because it does not matter
	LostMail   bool         // a mail waits, and no workflow is there to send it, or the open one says that it was sent
	Silent     bool         // the open workflow did not answer what it says about an email that waits
	InVain     bool         // the workflow waits for the shipment of an order whose row is final
	Erased     bool         // the order's stream is deleted
	Unreadable string       // what the remedy depends on and cannot be read; empty when all can
	Detail     string       // what else there is to say
}

// kind is in which way the stores disagree about an order.
type kind string

const (
	consistent  kind = ""
	missing     kind = "missing"     // the order was placed, and nothing sees to it
	held        kind = "held"        // nothing sees to the order any more, and it holds something
	lost        kind = "lost"        // PostgreSQL lost the order's row, or its last version
	conflict    kind = "conflict"    // the workflow ended in one way and the row in another, or says nothing about a row
	stuck       kind = "stuck"       // the workflow is open, and its workflow task keeps failing
	undelivered kind = "undelivered" // a cancellation or a payment on the order's stream never reached Temporal
	extra       kind = "extra"       // there is something of an order that nobody has placed
	unlinked    kind = "unlinked"    // the server leaves an event of the order out of the subscription's stream
)

// remedy is what --fix does.
type remedy int

const (
	noRemedy remedy = iota
	start           // its workflow, as the bridge would have
	repair          // start OrderRepair
	restore         // start OrderRestore: the row comes back as its workflow has it
	cancel          // signal cancel-order: the workflow finds its order closed, and ends so
	deliver         // what the bridge does with the event
)

// judge compares the stores about an order that was placed. A workflow that completed, failed or was canceled has ended:
// it has undone what it did, and its result is a fact. One that was terminated or timed out was cut off.
//
//	workflow   row                  credit      judgement    remedy
//	open       any                  any         consistent   it is on its way
//	open (1)   final                any         held         cancel: it waits for what can change nothing any more
//	open (2)   none                 any         lost         restore: as fulfilling, by the same version
//	open (2)   fulfilling, lost mail any        lost         restore: the ledger takes down that it was sent
//	open (3)   any                  any         stuck        none: somebody has to mend the worker
//	none       none                 any         missing      start
//	none       fulfilling           any         missing      start: by its row the order is alive, and goes on waiting
//	none       none, fulfilling (4) any         lost         repair: it writes the row as it was published, and undoes nothing
//	none       shipped              any         consistent   Temporal has forgotten it; its credit is its own until paid
//	none       rejected, cancelled  settled     consistent   Temporal has forgotten it
//	none       rejected, cancelled  open (5)    held         repair
//	ended      none, fulfilling     any         lost         restore: as the result has it; nothing is undone
//	ended      other than its result any        conflict     none: a final row never changes
//	ended (6)  none, fulfilling     any         conflict     none: nothing says what the row was
//	cut off    none                 any         held         repair: it looks at what was published before it cancels
//	cut off    fulfilling           any         held         repair
//	closed     shipped              any         consistent
//	closed     rejected, cancelled  settled     consistent
//	closed     rejected, cancelled  open        held         repair
//	not open (7) any                any         conflict     none: somebody has to look
//	not open   rejected, cancelled  unknown     held         none: somebody has to mend the account's stream first
//	not open   final, lost mail     any         held         repair: it sends what is due
//	ended (8)  final, lost mail     any         held         restore: it sends what is due and was not sent
//
// An order whose stream is deleted cannot be started, for its body is gone, and need not be:
//
//	none, cut off, ended (6)  none  settled     consistent   nothing is left of it
//	none, cut off             none  open        held         repair
//	none       fulfilling           any         held         repair
//
// (1) It waits for its shipment, and nothing of it is under way: the workflow was reset to a moment before its order was
// closed.
//
// (2) It says that the order is fulfilling, so its row was written.
//
// (3) Its current workflow task was tried more than once, and waits to be tried again.
//
// (4) And what was published on its fulfillment stream is final.
//
// (5) Reserved, or held for an operator whom nobody asks any more. Settled is refused, released, or never decided.
//
// (6) It failed without a result, as one does that somebody started by hand with an input that is none.
//
// (7) Its result, or what was published about the order, is there and cannot be read.
//
// (8) With the row's status as its result, or that of its repair, which tells what became of the emails.
//
// Closed is closed in whatever way.
func judge(f facts) (kind, remedy) {
	final := f.Row.Final()
	switch {
	case f.Workflow == workflowOpen:
		return judgeOpen(f)
	case f.Unreadable != "":
		return conflict, noRemedy
	case f.Workflow.ended() && f.Result.Status != "" && f.Result.Status != f.Row:
		if final {
			return conflict, noRemedy
		}
		return lost, restore
	case final && f.Row != order.StatusShipped && f.Credit == creditUnknown:
		return held, noRemedy
	case final && f.LostMail && f.Result.Status != "":
		return held, restore
	case final && f.LostMail, final && f.Row != order.StatusShipped && f.Credit.open():
		return held, repair
	case final:
		return consistent, noRemedy
	case f.Workflow == workflowNone && f.Published.Final():
		return lost, repair
	case f.Erased && f.Row == "" && !f.Credit.open():
		return consistent, noRemedy
	case f.Workflow == workflowNone && !f.Erased:
		return missing, start
	case f.Workflow.ended():
		return conflict, noRemedy
	default:
		return held, repair
	}
}

func judgeOpen(f facts) (kind, remedy) {
	switch {
	case f.Failures > 0:
		return stuck, noRemedy
	case f.InVain && f.Row.Final():
		return held, cancel
	case f.Fulfilling && (f.Row == "" || f.LostMail):
		return lost, restore
	default:
		return consistent, noRemedy
	}
}
