package judge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

func credits() []Invariant {
	return []Invariant{
		{"credit.order", "what an account records about an order matches the order's customer and total", placedOrder(creditOrder)},
		{"credit.never-placed", "no account records anything about an order that was never placed", eachOrder(creditNeverPlaced)},
		{"credit.causation", "what an account records about an order names as its cause an event of the order's stream, or the one that freed its credit", placedOrder(causation)},
		{"credit.event-id", "an event's id is derived from its content, so that a repeated append is recognized", eachOrder(eventID)},
		{"credit.end", "an order holds the credit that its state requires: one reservation while it is open or shipped, none once it is compensated", placedOrder(creditEnd)},
	}
}

func creditOrder(o *facts.Order, placed facts.Placed) []string {
	var details []string
	for _, e := range o.Credit {
		other := e.Amount != placed.Total
		if e.Type == facts.CreditReleased {
			other = e.Amount.Currency != placed.Total.Currency || e.Amount.Minor != 0 && e.Amount != placed.Total
		}
		details = append(details, pick(
			broken{e.CustomerID != placed.CustomerID, place(e) + ": it is another customer's order"},
			broken{other, fmt.Sprintf("%s: %s of an order of %s", place(e), e.Amount, placed.Total)},
		)...)
	}
	return details
}

func creditNeverPlaced(o *facts.Order) []string {
	return pick(broken{o.First() == nil && !o.Deleted && len(o.Credit) > 0, "was never placed, and an account records it"})
}

func causation(o *facts.Order, _ facts.Placed) []string {
	causes := map[string]bool{}
	for _, p := range o.Placed {
		causes[p.EventID] = true
	}
	for _, p := range o.Payments {
		causes[p.EventID] = true
	}
	for _, c := range o.Cancellations {
		causes[c.EventID] = true
	}
	var details []string
	for _, e := range o.Credit {
		if e.FreedBy != "" {
			details = append(details, pick(broken{e.Causation != e.FreedBy, place(e) + ": its cause is not the event that freed the credit"})...)
			continue
		}
		details = append(details, pick(broken{!causes[e.Causation], place(e) + ": its cause is not an event of the order"})...)
	}
	return details
}

// eventID recomputes the ids from the layout that the writer documents as permanent.
func eventID(o *facts.Order) []string {
	var details []string
	for _, e := range o.Credit {
		if !slices.Contains(possibleIDs(e), e.EventID) {
			details = append(details, place(e)+": its id is not derived from its content")
		}
	}
	return details
}

// mostReviewed is how many orders one review reserves for at most.
const mostReviewed = 20

func possibleIDs(e facts.CreditEvent) []string {
	var ids []string
	if e.FreedBy != "" {
		for index := range mostReviewed {
			ids = append(ids, idOf(e, "review ", index))
		}
		return ids
	}
	for _, step := range []string{"reserve", "approve", "restore", "release"} {
		for index := range 3 { // after those that hold it and open the account, or on its own
			ids = append(ids, idOf(e, step+" "+e.OrderID, index))
		}
	}
	return ids
}

// idOf returns the id of an event of a step, which is not about the order alone if it is a
// review.
func idOf(e facts.CreditEvent, step string, index int) string {
	name := []string{"orderflow:credit-" + e.CustomerID, step, strconv.Itoa(index), e.Type, e.DataHash}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(strings.Join(name, "\n"))).String()
}

func creditEnd(o *facts.Order, _ facts.Placed) []string {
	l := ledger{claims: map[string]claim{}}
	paid := false
	for _, e := range o.Credit {
		l.apply(e)
		paid = paid || e.Type == facts.CreditReleased && e.Reason == reasonPaid
	}
	c := l.claims[o.ID]
	held := c.amount > 0
	switch status := stateOf(o); status {
	case order.StatusCancelled, order.StatusRejected:
		return pick(
			broken{held, fmt.Sprintf("is %s and its credit is still reserved", status)},
			broken{status == order.StatusCancelled && !c.released, "is cancelled and not closed in the account: a late reserve could slip in"},
			broken{status == order.StatusRejected && !c.released && !c.refused, "is rejected, and the account never refused it"},
		)
	case order.StatusShipped, order.StatusFulfilling:
		return pick(broken{!held && !paid, fmt.Sprintf("is %s, its credit is not reserved, and it is not paid", status)})
	case order.StatusOnHold:
		return pick(broken{!c.held && !c.released, "is on hold, and the account does not hold it"})
	default:
		return nil
	}
}

// stateOf returns the order's status according to its workflow, or to its row once the
// workflow is deleted or repaired.
func stateOf(o *facts.Order) order.Status {
	run := settledRun(o)
	switch {
	case run != nil && run.Outcome != nil:
		return run.Outcome.Status
	case run != nil:
		return order.Status(run.OrderStatus)
	case o.Row != nil && (o.Repaired() || len(o.Runs) == 0):
		return o.Row.Status
	default:
		return ""
	}
}
