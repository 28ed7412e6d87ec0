package judge

import (
	"fmt"
	"slices"

	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

func fulfillments() []Invariant {
	return []Invariant{
		{"row.exists", "an order has a row once its fulfillment has started, and not before", eachOrder(rowExists)},
		{"row.order", "a row matches the order that was placed", placedOrder(rowOrder)},
		{"row.lines", "a row has the lines of its order, or none if nothing was to be shipped", placedOrder(rowLines)},
		{"row.status", "the row, the workflow's result and its search attribute agree", eachOrder(rowStatus)},
		{"row.parcels", "no line is shipped more often than it was ordered, a shipped order is shipped whole, and a canceled one not at all", eachOrder(rowParcels)},
		{"row.history", "every version is in the history once, without a gap, and each starts from the end of the previous one", eachOrder(rowHistory)},
		{"row.transition", "a closed order never changes, and the type of each version matches its change", eachOrder(rowTransition)},
	}
}

// settledRun returns the run whose end the stores must reflect. A terminated run executed
// no code at its end: nothing is guaranteed before a repair.
func settledRun(o *facts.Order) *facts.Run {
	run := o.Latest()
	if run == nil || run.Status == facts.RunTerminated {
		return nil
	}
	return run
}

func rowExists(o *facts.Order) []string {
	run := settledRun(o)
	if run == nil {
		return pick(broken{o.Repaired() && (o.Row == nil || !o.Row.Status.Final()), "was repaired and has no closed row"})
	}
	begun := run.OrderStatus == string(order.StatusFulfilling)
	waits := run.OrderStatus == string(order.StatusPending) || run.OrderStatus == string(order.StatusOnHold)
	return pick(
		broken{o.Row == nil && begun, "is being fulfilled and has no row"},
		broken{o.Row == nil && run.Outcome != nil, "is closed and has no row"},
		broken{o.Row != nil && run.Open() && waits, "has a row and waits for its credit"},
	)
}

func rowOrder(o *facts.Order, placed facts.Placed) []string {
	if o.Row == nil {
		return nil
	}
	return pick(
		broken{o.Row.CustomerID != placed.CustomerID, "the row names another customer"},
		broken{o.Row.Total != placed.Total, fmt.Sprintf("the row has %s, the order %s", o.Row.Total, placed.Total)},
		broken{o.Row.SourceEventID != placed.EventID, "the row names another event than the one that placed the order"},
		broken{!o.Row.PlacedAt.Equal(placed.PlacedAt), "the row has another time than the order"},
	)
}

func rowLines(o *facts.Order, placed facts.Placed) []string {
	if o.Row == nil || o.Row.Status == order.StatusCancelled && o.Row.Lines.Count == 0 {
		return nil
	}
	return pick(broken{o.Row.Lines != placed.Lines,
		fmt.Sprintf("the row's %d lines are not the order's %d", o.Row.Lines.Count, placed.Lines.Count)})
}

func rowStatus(o *facts.Order) []string {
	run := settledRun(o)
	if run == nil || o.Row == nil {
		return nil
	}
	row := o.Row.Status
	details := pick(
		broken{run.Open() && row.Final(), fmt.Sprintf("the row is %s and the workflow is still open", row)},
		broken{run.Open() && run.OrderStatus == string(order.StatusFulfilling) && row != order.StatusFulfilling,
			fmt.Sprintf("the row is %s, the search attribute fulfilling", row)},
	)
	if run.Outcome == nil {
		return details
	}
	return append(details, pick(
		broken{run.Outcome.Status != row, fmt.Sprintf("the row is %s, the workflow ended as %s", row, run.Outcome.Status)},
		broken{run.Outcome.Status == row && run.Outcome.Reason != o.Row.Reason,
			fmt.Sprintf("the row has %q, the workflow ended with %q", o.Row.Reason, run.Outcome.Reason)},
		broken{run.OrderStatus != string(row), fmt.Sprintf("the row is %s, the search attribute %s", row, run.OrderStatus)},
		broken{!row.Final(), fmt.Sprintf("the workflow is closed and the row is %s", row)},
	)...)
}

func rowParcels(o *facts.Order) []string {
	if o.Row == nil || len(o.Row.Parcels) == 0 {
		return nil
	}
	row := o.Row
	left := order.Left(row.Quantities, row.Parcels)
	rest := slices.ContainsFunc(left, func(quantity int) bool { return quantity > 0 })
	details := pick(
		broken{slices.ContainsFunc(left, func(quantity int) bool { return quantity < 0 }), "more was shipped than ordered"},
		broken{row.Status == order.StatusShipped && rest, "is shipped, and not all of it has left"},
		broken{row.Status == order.StatusFulfilling && len(left) > 0 && !rest, "has left as a whole, and is not shipped"},
		broken{row.Status == order.StatusCancelled, "is cancelled, and a parcel has left"},
	)
	seen := map[order.Shipment]bool{}
	for i, p := range row.Parcels {
		details = append(details, pick(broken{seen[p.Shipment], fmt.Sprintf("parcel %d is another one again", i+1)})...)
		seen[p.Shipment] = true
	}
	return details
}

func rowHistory(o *facts.Order) []string {
	if o.Row == nil {
		return pick(broken{len(o.Versions) > 0, "has versions and no row"})
	}
	var details []string
	next, before := pruned(o)
	for _, v := range o.Versions {
		details = append(details, pick(
			broken{v.Revision != next, fmt.Sprintf("version %d is where %d should be", v.Revision, next)},
			broken{v.Fault != "", fmt.Sprintf("version %d: %s", v.Revision, v.Fault)},
			broken{v.Old != before, fmt.Sprintf("version %d does not start from the end of the previous one", v.Revision)},
		)...)
		next, before = v.Revision+1, v.New
	}
	return append(details, pick(
		broken{next != o.Row.Revision+1, fmt.Sprintf("the row is at revision %d and has %d versions", o.Row.Revision, len(o.Versions))},
		broken{len(o.Versions) > 0 && before != o.Row.Content, "the row differs from its last version"},
	)...)
}

// pruned returns how many of the first versions are published and may be missing from the
// history, and the last image of those.
func pruned(o *facts.Order) (next int64, before string) {
	gone := o.Row.Revision + 1 - int64(len(o.Versions))
	if gone <= 0 || gone > int64(len(o.Published)) {
		return 0, ""
	}
	return gone, o.Published[gone-1].New
}

func rowTransition(o *facts.Order) []string {
	var details []string
	var before order.Status
	parcels := 0
	if len(o.Versions) > 0 && o.Versions[0].Revision > 0 {
		return nil // the first versions were published and pruned: their transitions are checked in the published events
	}
	for _, v := range o.Versions {
		details = append(details, pick(
			broken{before.Final(), fmt.Sprintf("version %d follows a closed one", v.Revision)},
			broken{v.Type != versionType(before, v.Status, v.Parcels-parcels), fmt.Sprintf("version %d from %q to %q is called %s", v.Revision, before, v.Status, v.Type)},
			broken{before == "" && v.Status == order.StatusShipped, "was shipped before its fulfillment started"},
			broken{before != "" && v.Status == order.StatusRejected, "was rejected after its fulfillment started"},
		)...)
		details = append(details, pick(broken{v.Parcels != parcels && v.Parcels != parcels+1,
			fmt.Sprintf("version %d has %d parcels after %d", v.Revision, v.Parcels, parcels)})...)
		before, parcels = v.Status, v.Parcels
	}
	return details
}

func versionType(before, after order.Status, newParcels int) string {
	switch {
	case before == after && newParcels > 0:
		return "order-parcel-shipped"
	case before == after:
		return "fulfillment-changed"
	case after == order.StatusFulfilling:
		return "order-approved"
	default:
		return "order-" + string(after)
	}
}
