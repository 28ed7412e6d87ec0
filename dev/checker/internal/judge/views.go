package judge

import (
	"fmt"
	"maps"
	"slices"

	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

func views() []Invariant {
	return []Invariant{
		{"view.customer", "a customer's view is the fold of the credit stream", viewCustomer},
		{"view.order", "an order's view matches the last event of its fulfillment stream", eachOrder(viewOrder)},
		{"view.count", "the view counts each of its orders once, by its status", viewCount},
	}
}

func viewCount(f *facts.Facts) (found []Violation) {
	for _, wrong := range f.Counts {
		found = append(found, Violation{Detail: fmt.Sprintf("%d orders are counted as %s, and %d are", wrong.Counted, wrong.Status, wrong.Orders)})
	}
	return found
}

func viewCustomer(f *facts.Facts) []Violation {
	var found []Violation
	report := func(id, detail string) {
		found = append(found, Violation{Detail: "view of " + id + ": " + detail})
	}
	for _, id := range slices.Sorted(maps.Keys(f.Accounts)) {
		l := &ledger{claims: map[string]claim{}}
		for _, e := range f.Accounts[id].Events {
			l.apply(e)
		}
		view, exists := f.Views[id]
		for _, detail := range pick(
			broken{!exists, "is missing"},
			broken{exists && view.Limit != l.limit, fmt.Sprintf("the limit is %s, in the stream %s", view.Limit, l.limit)},
			broken{exists && view.Reserved != l.open, fmt.Sprintf("%d is reserved, in the stream %d", view.Reserved, l.open)},
			broken{exists && view.Available != l.available(), "the available amount differs from the stream"},
			broken{exists && view.Revision != int64(len(f.Accounts[id].Events))-1, "it is not at the stream's end"},
		) {
			report(id, detail)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(f.Views)) {
		if f.Accounts[id] == nil {
			report(id, "there is no stream")
		}
	}
	return found
}

func viewOrder(o *facts.Order) []string {
	n := len(o.Published)
	first := o.First()
	switch {
	case o.HasForeignEvents():
		return nil // the content of the view is undefined then
	case o.View == nil:
		return pick(broken{first != nil || n > 0, "is not in the view"})
	case n == 0:
		return pick(broken{o.View.FulfillmentRevision != -1, "the view is at a version that was not published"})
	}
	last := o.Published[n-1]
	return pick(
		broken{o.View.FulfillmentRevision != int64(last.Revision), "the view is not at the stream's end"},
		broken{o.View.Status != last.Status, fmt.Sprintf("the view has %s, the stream %s", o.View.Status, last.Status)},
		broken{o.View.Parcels != parcelsLeft(last), fmt.Sprintf("the view has %d parcels, the stream %d", o.View.Parcels, parcelsLeft(last))},
		broken{o.View.CustomerID != last.CustomerID || o.View.Total != last.Total, "the view is of another customer or total"},
	)
}

// parcelsLeft returns how many parcels had left by an event: one, if the order was shipped
// as a whole.
func parcelsLeft(p facts.Published) int {
	if p.Parcels == 0 && p.Status == order.StatusShipped {
		return 1
	}
	return p.Parcels
}
