package judge

import (
	"cmp"
	"maps"
	"slices"

	"orderflow/dev/checker/internal/facts"
)

// Violation is one violated invariant. It holds ids and codes, never personal data.
type Violation struct {
	Invariant string `json:"invariant"`
	Order     string `json:"order"` // empty when no single order is concerned
	Detail    string `json:"detail"`
}

// Invariant is a condition that always holds.
type Invariant struct {
	Name    string
	Promise string
	Check   func(*facts.Facts) []Violation // fills in Order and Detail
}

// Scope says which parts, apart from the pipeline itself, took part and must be checked.
type Scope struct {
	Publisher bool
	View      bool
}

// All lists the invariants.
func All(scope Scope) []Invariant {
	all := slices.Concat(orders(), fulfillments(), accounts(), credits(), mails(), stores())
	if scope.Publisher {
		all = append(all, published()...)
	}
	if scope.View {
		all = append(all, views()...)
	}
	return all
}

// Judge checks the facts against the invariants. The result is sorted, and equal for
// equal facts.
func Judge(f *facts.Facts, invariants []Invariant) []Violation {
	found := []Violation{}
	for _, invariant := range invariants {
		for _, v := range invariant.Check(f) {
			v.Invariant = invariant.Name
			found = append(found, v)
		}
	}
	slices.SortFunc(found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Invariant, b.Invariant), cmp.Compare(a.Order, b.Order), cmp.Compare(a.Detail, b.Detail))
	})
	return found
}

// eachOrder runs a check on each order separately. The check returns what is wrong, as
// texts.
func eachOrder(check func(*facts.Order) []string) func(*facts.Facts) []Violation {
	return func(f *facts.Facts) []Violation {
		var found []Violation
		for _, id := range slices.Sorted(maps.Keys(f.Orders)) {
			for _, detail := range check(f.Orders[id]) {
				found = append(found, Violation{Order: id, Detail: detail})
			}
		}
		return found
	}
}

// placedOrder runs a check on orders that were placed and not deleted.
func placedOrder(check func(o *facts.Order, placed facts.Placed) []string) func(*facts.Facts) []Violation {
	return eachOrder(func(o *facts.Order) []string {
		first := o.First()
		if first == nil || o.Deleted {
			return nil
		}
		return check(o, *first)
	})
}

// both combines two checks of one invariant.
func both(one, other func(*facts.Facts) []Violation) func(*facts.Facts) []Violation {
	return func(f *facts.Facts) []Violation { return append(one(f), other(f)...) }
}

// broken is a detail to report if its condition holds.
type broken struct {
	when   bool
	detail string
}

func pick(all ...broken) []string {
	var details []string
	for _, b := range all {
		if b.when {
			details = append(details, b.detail)
		}
	}
	return details
}
