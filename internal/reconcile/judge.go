package reconcile

import (
	"orderflow/internal/order"
)

// workflowState is the state of the newest run of an order's workflow: none, open, or how
// it closed.
type workflowState string

const (
	workflowNone       workflowState = "none" // never started, deleted, or past its retention
	workflowOpen       workflowState = "open"
	workflowCompleted  workflowState = "completed"
	workflowFailed     workflowState = "failed"
	workflowCanceled   workflowState = "canceled"
	workflowTerminated workflowState = "terminated"
	workflowTimedOut   workflowState = "timed-out"
)

// ended reports whether the workflow returned by its own code, so that its result is a
// fact.
func (s workflowState) ended() bool {
	return s == workflowCompleted || s == workflowFailed || s == workflowCanceled
}

// creditState is the state of an order's credit on its customer's account.
type creditState string

const (
	creditNone     creditState = "none"
	creditReserved creditState = "reserved"
	creditHeld     creditState = "held"
	creditRefused  creditState = "refused"
	creditReleased creditState = "released"
	creditUnknown  creditState = "unknown" // the account's history cannot be trusted
)

// open reports whether the order holds, or may hold, credit to be released.
func (c creditState) open() bool { return c == creditReserved || c == creditHeld || c == creditUnknown }

// facts are what the stores say about an order.
type facts struct {
	Workflow        workflowState
	Failures        int32        // of the open workflow's current task, in a row
	Status          order.Status // published by the open workflow: fulfilling or final only after it wrote the row; empty if not open
	Result          order.State  // result of the workflow; zero if it has none
	Row             order.Status // of the fulfillment; empty if there is no row
	Published       order.Status // last status on its fulfillment stream; empty if not read, because it does not matter
	Credit          creditState  // empty if not read, because it does not matter
	Unreserved      bool         // the account has lost what it decided about the order; only looked for with Options.Credit
	LostEmail       bool         // an email is due, and there is no workflow to send it, or the open one says that it was sent
	Unanswered      bool         // the open workflow did not answer the query about a due email
	WaitsOnFinalRow bool         // the workflow waits for the shipment of an order whose row is final
	Erased          bool         // the order's stream is deleted
	Unreadable      string       // what the remedy depends on but cannot be read; empty if all can be
	Detail          string       // further information
}

// kind is the way in which the stores disagree about an order.
type kind string

const (
	consistent  kind = ""
	missing     kind = "missing"     // the order was placed, and no workflow handles it
	held        kind = "held"        // no workflow handles the order any more, and it holds credit, a fulfillment or an email
	lost        kind = "lost"        // PostgreSQL lost the order's row, or its last version
	conflict    kind = "conflict"    // the workflow and the row ended differently, or the workflow has no result to restore the row from
	stuck       kind = "stuck"       // the workflow is open, and its workflow task keeps failing
	undelivered kind = "undelivered" // a cancellation or a payment on the order's stream never reached Temporal
	extra       kind = "extra"       // traces of an order that was never placed
	unreserved  kind = "unreserved"  // KurrentDB lost the reservation of an order that is open or has shipped
	unlinked    kind = "unlinked"    // the server left an event of the order out of the subscription's stream
)

// kinds returns every kind of difference.
func kinds() []kind {
	return []kind{missing, held, lost, conflict, stuck, undelivered, unreserved, extra, unlinked}
}

// remedy is what --fix does.
type remedy int

const (
	noRemedy remedy = iota
	start           // start its workflow, as the bridge would have
	repair          // start OrderRepair
	restore         // start OrderRestore, which restores the row from the workflow's result
	cancel          // signal cancel-order: the workflow finds its order closed, and ends with that status
	deliver         // deliver the event as the bridge would
	reserve         // start OrderRestore, which restores the reservation
)

// judge compares the stores about an order that was placed. A workflow that completed,
// failed or was canceled has ended: it has compensated what it did, and its result is a
// fact. One that was terminated or timed out was cut off.
//
//	workflow   row                  credit      judgement    remedy
//	open       any                  any         consistent   it is in progress
//	open (1)   final                any         held         cancel: it waits for a shipment that can no longer matter
//	open (2)   none                 any         lost         restore: as fulfilling, by the same version
//	open (2)   fulfilling, lost email any       lost         restore: records in the ledger that it was sent
//	open (3)   any                  any         stuck        none: an operator has to repair the worker
//	open (9)   none, fulfilling     any         lost         none until it has ended, which its emails delay
//	none       none                 any         missing      start
//	none       fulfilling           any         missing      start: by its row the order is open, and continues waiting
//	none       none, fulfilling (4) any         lost         repair: writes the row as it was published, and compensates nothing
//	none       shipped              any         consistent   Temporal's retention has ended; its credit stays reserved until paid
//	none       rejected, cancelled  settled     consistent   Temporal's retention has ended
//	none       rejected, cancelled  open (5)    held         repair
//	ended      none, fulfilling     any         lost         restore: from the result; compensates nothing
//	ended      other than its result any        conflict     none: a final row never changes
//	ended (6)  none, fulfilling     any         conflict     none: no record of what the row was
//	cut off    none                 any         held         repair: checks what was published before it cancels
//	cut off    fulfilling           any         held         repair (10)
//	closed     shipped              any         consistent
//	closed     rejected, cancelled  settled     consistent
//	closed     rejected, cancelled  open        held         repair
//	not open (7) any                any         conflict     none: an operator has to investigate
//	not open   rejected, cancelled  unknown     held         none: an operator has to repair the account's stream first
//	not open   final, lost email    any         held         repair: sends the due email
//	ended (8)  final, lost email    any         held         restore: sends the due email unless it was sent
//
// With Options.Credit, an order for which nothing else was found is checked once more, for
// KurrentDB may have been restored from a backup:
//
//	any        fulfilling, shipped  none, held  unreserved   reserve: by the rule, or else as approved
//	not open   rejected, cancelled  none        held         repair: closes the order in its account
//
// An order whose stream is deleted cannot be started, for its body is gone, and need not
// be:
//
//	none, cut off, ended (6)  none  settled     consistent   nothing remains of it
//	none, cut off             none  open        held         repair
//	none       fulfilling           any         held         repair
//
// (1) It waits for its shipment, and has no pending task, activity or child: the workflow
// was reset to a point before its order was closed.
//
// (2) Its status is fulfilling, so its row was written.
//
// (3) Its current workflow task has failed at least once, and waits to be retried.
//
// (4) And the last status published on its fulfillment stream is final.
//
// (5) Reserved, or held for an operator who is no longer asked. Settled means refused,
// released, or never decided.
//
// (6) It failed without a result, like one started by hand with an invalid input.
//
// (7) Its result, or the status published about the order, exists and cannot be decoded.
//
// (8) With the row's status as its result, or as that of its repair, which says what
// became of the emails.
//
// (9) Its status is final, so its row was closed.
//
// (10) The repair cancels it, or starts its workflow again if a parcel of it has left.
//
// Closed means closed in any way.
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
	case final && f.LostEmail && f.Result.Status != "":
		return held, restore
	case final && f.LostEmail, final && f.Row != order.StatusShipped && f.Credit.open():
		return held, repair
	case final && f.Unreserved && f.Row != order.StatusShipped:
		return held, repair
	case final && f.Unreserved:
		return unreserved, reserve
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
	case f.WaitsOnFinalRow && f.Row.Final():
		return held, cancel
	case f.Status == order.StatusFulfilling && (f.Row == "" || f.LostEmail):
		return lost, restore
	case f.Status.Final() && !f.Row.Final():
		return lost, noRemedy
	case f.Unreserved && (f.Row == order.StatusFulfilling || f.Row == order.StatusShipped):
		return unreserved, reserve
	default:
		return consistent, noRemedy
	}
}
