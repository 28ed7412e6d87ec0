package judge

import (
	"cmp"
	"maps"
	"slices"

	"orderflow/dev/checker/internal/facts"
)

// Violation is one broken promise. It holds ids and codes, never personal data.
type Violation struct {
	Invariant string `json:"invariant"`
	Order     string `json:"order"` // empty when no single order is concerned
	Detail    string `json:"detail"`
}

// Invariant is one thing that always holds.
type Invariant struct {
	Name    string
	Promise string
	Check   func(*facts.Facts) []Violation // fills order and detail
}

// Scope says which parts beside the pipeline itself were there to be judged.
type Scope struct {
	Publisher bool
	View      bool
}

// All lists the invariants.
func All(scope Scope) []Invariant {
	all := slices.Concat(orders(), fulfilments(), accounts(), credits(), mails(), stores())
	if scope.Publisher {
		all = append(all, published()...)
	}
	if scope.View {
		all = append(all, views()...)
	}
	return all
}

// Judge holds the facts against the invariants. The answer is sorted: the same facts give the same answer.
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

// eachOrder asks a question about every order by itself. The answers are what is wrong, in words.
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

// placedOrder asks about orders that were placed and are still there.
func placedOrder(check func(o *facts.Order, placed facts.Placed) []string) func(*facts.Facts) []Violation {
	return eachOrder(func(o *facts.Order) []string {
		first := o.First()
		if first == nil || o.Deleted {
			return nil
		}
		return check(o, *first)
	})
}

// both asks two questions of one promise.
func both(one, other func(*facts.Facts) []Violation) func(*facts.Facts) []Violation {
	return func(f *facts.Facts) []Violation { return append(one(f), other(f)...) }
}

// broken keeps the details whose conditions hold.
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
