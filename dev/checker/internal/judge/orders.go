package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

// parkedBefore is how long before its parking an order must have been placed for the
// parking to be wrong. An order may be placed between the bridge's last check and the
// parking, which is not a fault.
const parkedBefore = 2 * time.Second

func orders() []Invariant {
	return []Invariant{
		{"order.one-workflow", "a valid order has exactly one workflow, or none if it is closed and past its retention", placedOrder(oneWorkflow)},
		{"order.source", "a workflow was started by the event that placed its order, and its input matches the order", placedOrder(source)},
		{"order.never-placed", "an order that was never placed has no workflow and no row", eachOrder(neverPlaced)},
		{"order.parked", "an event is parked if and only if it was delivered and can never have an effect", eachOrder(parked)},
		{"order.at-rest", "an open order waits for its shipment or on hold, and has no other work in progress", eachOrder(atRest)},
		{"order.cancellation", "a requested cancellation has its effect unless the order closed before", placedOrder(cancellation)},
		{"order.instruction", "a shipment or a decision about credit that arrived as an event has its effect, or is parked with the order's words", placedOrder(instruction)},
		{"order.messages", "of the messages present when a wait ended the safest takes effect: cancel over decline over approve over the hold's end, a shipment over a cancel", eachOrder(messages)},
		{"order.payment", "the payments that cover their order settle it, with their sum, and nothing else does", placedOrder(payment)},
		{"order.one-settlement", "a payment has at most one settlement, besides those whose effect KurrentDB lost", oneSettlement},
	}
}

func oneWorkflow(o *facts.Order, _ facts.Placed) []string {
	starts := facts.Chains(o.Runs)
	forgotten := starts == 0 && o.Row != nil && o.Row.Status.Final()
	return pick(
		broken{starts == 0 && !forgotten, "was placed and has no workflow"},
		broken{starts > 1, fmt.Sprintf("was started %d times", starts)},
	)
}

func source(o *facts.Order, placed facts.Placed) []string {
	var details []string
	for _, run := range o.Runs {
		in := run.Input
		details = append(details, pick(
			broken{run.SourceEventID != placed.EventID, "the memo names another event than the one that placed the order"},
			broken{in.SourceEventID != placed.EventID || in.Revision != placed.Revision, "the input names another event than the one that placed the order"},
			broken{in.CustomerID != placed.CustomerID, "the input names another customer"},
			broken{in.Total != placed.Total, fmt.Sprintf("the input has %s, the order %s", in.Total, placed.Total)},
		)...)
	}
	return details
}

func neverPlaced(o *facts.Order) []string {
	if o.First() != nil || o.Deleted {
		return nil
	}
	return pick(
		broken{len(o.Runs) > 0, "was never placed and has a workflow"},
		broken{o.Row != nil, "was never placed and has a row"},
	)
}

func parked(o *facts.Order) []string {
	if o.Deleted {
		return nil
	}
	first := o.First()
	var details []string
	check := func(what string, revision uint64, ineffective, mustPark bool) {
		i := slices.IndexFunc(o.Parked, func(p facts.Parked) bool { return p.Revision == revision })
		details = append(details, pick(
			broken{i >= 0 && !ineffective, fmt.Sprintf("good event %d (%s) is parked", revision, what)},
			broken{i >= 0 && ineffective && o.Parked[i].Reason == "", fmt.Sprintf("event %d (%s) is parked without a reason", revision, what)},
			broken{i < 0 && mustPark, fmt.Sprintf("event %d (%s) can have no effect and is not parked", revision, what)},
		)...)
	}
	for _, p := range o.Placed {
		ineffective := p.Fault != "" || p.EventID != first.EventID
		check("order-placed", p.Revision, ineffective, ineffective && !p.Unlinked)
	}
	for _, p := range o.Payments {
		check("order-paid", p.Revision, p.Fault != "" || early(o, p.Revision, first),
			(p.Fault != "" || first == nil) && !p.Unlinked)
	}
	for _, c := range o.Cancellations {
		check("order-cancellation-requested", c.Revision, c.Fault != "" || early(o, c.Revision, first),
			(c.Fault != "" || first == nil) && !c.Unlinked)
	}
	return append(details, parkedInstructions(o)...)
}

// parkedInstructions checks the events with messages that were parked, or should have been.
// A good one is parked only because the order refused it.
func parkedInstructions(o *facts.Order) (details []string) {
	for _, in := range o.Instructions {
		p, isParked := parking(o, in)
		refused := slices.ContainsFunc([]string{"EARLY: ", "REJECTED: ", "ORDER_CLOSED: ", "ORDER_UNKNOWN: "},
			func(reason string) bool { return strings.HasPrefix(p.Reason, reason) })
		details = append(details, pick(
			broken{isParked && in.Fault == "" && !refused, fmt.Sprintf("good event %d (%s) is parked", in.Revision, in.Type)},
			broken{isParked && p.Reason == "", fmt.Sprintf("event %d (%s) is parked without a reason", in.Revision, in.Type)},
			broken{!isParked && in.Fault != "" && !in.Unlinked, fmt.Sprintf("event %d (%s) can have no effect and is not parked", in.Revision, in.Type)},
		)...)
	}
	return details
}

// parking returns how an instruction was parked, and reports whether it was.
func parking(o *facts.Order, in facts.Instruction) (facts.Parked, bool) {
	list := o.Parked
	if in.Decision {
		list = o.ParkedOther
	}
	i := slices.IndexFunc(list, func(p facts.Parked) bool { return p.Revision == in.Revision })
	if i < 0 {
		return facts.Parked{}, false
	}
	return list[i], true
}

// instruction checks that no open order still waits for a message that arrived as an event.
func instruction(o *facts.Order, _ facts.Placed) (details []string) {
	run := o.Latest()
	if run == nil || !run.Open() {
		return nil
	}
	for _, in := range o.Instructions {
		if _, isParked := parking(o, in); isParked || in.Fault != "" || in.Unlinked || in.Partial {
			continue
		}
		details = append(details, pick(
			broken{!in.Decision, "its shipment was recorded by an event and it is still open"},
			broken{in.Decision && run.OrderStatus == string(order.StatusOnHold), "its credit was decided by an event and it is still on hold"},
		)...)
	}
	return details
}

// early reports whether an event was parked before the order existed, or just after it
// was placed.
func early(o *facts.Order, revision uint64, first *facts.Placed) bool {
	if first == nil {
		return true
	}
	return slices.ContainsFunc(o.Parked, func(p facts.Parked) bool {
		return p.Revision == revision && p.At.Before(first.At.Add(parkedBefore))
	})
}

func atRest(o *facts.Order) []string {
	run := o.Latest()
	if run == nil || !run.Open() {
		return nil
	}
	settled := run.OrderStatus == string(order.StatusFulfilling) || run.OrderStatus == string(order.StatusOnHold)
	return pick(broken{!settled, fmt.Sprintf("is still %q", run.OrderStatus)})
}

func cancellation(o *facts.Order, _ facts.Placed) []string {
	requested := slices.ContainsFunc(o.Cancellations, func(c facts.Cancellation) bool {
		wasParked := slices.ContainsFunc(o.Parked, func(p facts.Parked) bool { return p.Revision == c.Revision })
		return c.Fault == "" && !wasParked
	})
	run := o.Latest()
	return pick(broken{requested && run != nil && run.Open(), "its cancellation was requested and it is still open"})
}

// messages checks every run against what had reached it when its waits ended. A payment
// takes precedence over the end of a hold, and a decision that arrived later may still
// take precedence over an approval.
func messages(o *facts.Order) []string {
	paid := slices.ContainsFunc(o.Credit, func(e facts.CreditEvent) bool { return e.Type == facts.CreditReleased && e.Reason == reasonPaid })
	var details []string
	for _, run := range o.Runs {
		if run.Outcome == nil {
			continue
		}
		status, hold := run.Outcome.Status, run.HoldEnd
		ended := run.Outcome.Reason
		declined := hold.Has(facts.MessageDecline) && !hold.Has(facts.MessageCancel)
		details = append(details, pick(
			broken{hold.Has(facts.MessageCancel) && status != order.StatusCancelled, fmt.Sprintf("was cancelled while on hold, and is %s", status)},
			broken{declined && !paid && (status == order.StatusShipped || ended == order.ReasonHoldExpired), fmt.Sprintf("was declined while on hold, and is %s %s", status, ended)},
			broken{hold.Has(facts.MessageApprove) && ended == order.ReasonHoldExpired, "was approved before the workflow saw its hold end, and is rejected as expired"},
			broken{run.Shipping.Has(facts.MessageShip) && status != order.StatusShipped, fmt.Sprintf("its shipment was recorded before it was compensated, and it is %s", status)},
		)...)
	}
	return details
}

func oneSettlement(f *facts.Facts) []Violation {
	return eachOrder(func(o *facts.Order) []string {
		runs := map[string][]facts.Run{}
		for _, run := range o.Settlements {
			if !rewound(f, run) {
				runs[run.WorkflowID] = append(runs[run.WorkflowID], run)
			}
		}
		var details []string
		for id, settlements := range runs {
			if n := facts.Chains(settlements); n > 1 {
				details = append(details, fmt.Sprintf("%s was started %d times", id, n))
			}
		}
		return details
	})(f)
}

// rewound reports whether KurrentDB may have lost what a run had appended: it was running
// in a span whose events are gone.
func rewound(f *facts.Facts, run facts.Run) bool {
	return !run.Open() && slices.ContainsFunc(f.Rewound, func(s facts.Span) bool {
		return run.Began.Before(s.To) && run.Closed.After(s.From)
	})
}
