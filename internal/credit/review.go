package credit

import (
	"cmp"
	"slices"
	"time"

	"orderflow/internal/order"
)

// MaxReviewed is how many orders one review reserves for at most: their events are written
// in one append.
const MaxReviewed = 20

// ReviewRequest asks for a review of a customer's orders on hold. Source is the event that
// freed credit on the customer's account.
type ReviewRequest struct {
	CustomerID string
	Source     order.Source
	Now        time.Time // orders whose hold has ended by then are left
}

// Reviewed is the result of a review.
type Reviewed struct {
	// Orders are those on hold whose credit is reserved because of the review's event, in
	// the order in which they were put on hold. Those of an earlier attempt are included,
	// unless they were released since.
	Orders []string
	// More means that further orders may fit: the review has to be repeated.
	More bool
}

// hold is the place of an order among those that were put on hold.
type hold struct {
	since   uint64 // events before the one that put it on hold
	freedBy string // the event whose review reserved its credit; empty while it is on hold
}

// heldOrder is an order on hold, or one that was until a review reserved its credit.
type heldOrder struct {
	hold
	Decision
	id string
}

// Review reserves for the orders on hold that fit into the available credit, the oldest
// first. An order that does not fit stays on hold, and does not keep a younger one that
// fits from being reserved. A repeated review of the same event returns the same orders.
// freedBy is the id of the event that freed credit. It returns ErrNoReason without one.
func (a *Account) Review(freedBy string, now time.Time) (Reviewed, []Event, error) {
	if freedBy == "" {
		return Reviewed{}, nil, ErrNoReason
	}
	var result Reviewed
	var events []Event
	available := a.Available()
	for _, o := range a.heldOrders() {
		switch {
		case o.freedBy == freedBy:
			result.Orders = append(result.Orders, o.id)
		case o.freedBy != "" || !o.fits(available, now):
		case len(events) == MaxReviewed:
			result.More = true
		default:
			events = append(events, Reserved{OrderID: o.id, Amount: o.Amount, FreedBy: freedBy})
			result.Orders = append(result.Orders, o.id)
			available.Minor -= o.Amount.Minor
		}
	}
	return result, events, nil
}

// ReviewDue reports whether a review would reserve for an order.
func (a *Account) ReviewDue(now time.Time) bool {
	available := a.Available()
	return slices.ContainsFunc(a.heldOrders(), func(o heldOrder) bool { return o.freedBy == "" && o.fits(available, now) })
}

// fits reports whether an order whose hold has not ended fits into an amount. Holds
// recorded by earlier versions have no end.
func (o heldOrder) fits(available order.Money, now time.Time) bool {
	return o.Amount.SameCurrency(available) && o.Amount.Minor <= available.Minor && (o.HoldUntil.IsZero() || o.HoldUntil.After(now))
}

// heldOrders returns the orders on hold, and those that were until a review reserved their
// credit, the oldest hold first.
func (a *Account) heldOrders() []heldOrder {
	var all []heldOrder
	seen := map[string]bool{}
	for level := a; level != nil; level = level.base {
		for id, h := range level.holds {
			if seen[id] {
				continue
			}
			seen[id] = true
			current, _ := a.find(id)
			if current.Verdict == VerdictHeld || current.Verdict == VerdictReserved && h.freedBy != "" {
				all = append(all, heldOrder{hold: h, Decision: current.Decision, id: id})
			}
		}
	}
	slices.SortFunc(all, func(x, y heldOrder) int { return cmp.Compare(x.since, y.since) })
	return all
}

// endHold notes that an order is no longer on hold, and the event whose review reserved its
// credit, if one did.
func (a *Account) endHold(orderID, freedBy string) {
	if freedBy == "" {
		delete(a.holds, orderID)
		return
	}
	for level := a; level != nil; level = level.base {
		if h, found := level.holds[orderID]; found {
			a.holds[orderID] = hold{since: h.since, freedBy: freedBy}
			return
		}
	}
}
