package credit

import "iter"

// Decisions returns the decisions about all orders, in no particular order.
func (a *Account) Decisions() iter.Seq2[string, Decision] {
	return func(yield func(string, Decision) bool) {
		for orderID, own := range a.orders {
			if !yield(orderID, own.Decision) {
				return
			}
		}
		if a.base == nil {
			return
		}
		for orderID, decision := range a.base.Decisions() {
			if _, later := a.orders[orderID]; !later && !yield(orderID, decision) {
				return
			}
		}
	}
}
