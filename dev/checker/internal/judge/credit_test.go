package judge_test

import (
	"time"

	"orderflow/dev/checker/internal/facts"
)

// change rewrites an order's first credit event of a type, in the order and in the
// account.
func (w factSet) change(id, eventType string, rewrite func(*facts.CreditEvent)) {
	for _, events := range [][]facts.CreditEvent{w.Order(id).Credit, w.Account(customer).Events} {
		for i := range events {
			if events[i].OrderID == id && events[i].Type == eventType {
				rewrite(&events[i])
				break
			}
		}
	}
}

func wrongCredit() []wrong {
	return []wrong{
		{"a stream with a gap", func(w factSet) {
			w.Account(customer).Events[3].Revision = 30
		}, []string{"credit.contiguous"}},
		{"a review that prefers a younger order", func(w factSet) {
			late := w.holdLate()
			w.credit(facts.CreditEvent{Type: facts.CreditReserved, OrderID: late, Amount: hundred, FreedBy: w.raise()})
		}, []string{"credit.end", "credit.review"}},
		{"a review without an event that freed credit", func(w factSet) {
			w.raise()
			w.credit(facts.CreditEvent{Type: facts.CreditReserved, OrderID: held, Amount: hundred, FreedBy: "nothing"})
		}, []string{"credit.end", "credit.review"}},
		{"an order that is left on hold although its credit is free", func(w factSet) {
			w.raise()
			for i, e := range w.Account(customer).Events {
				if e.OrderID == held {
					w.Account(customer).Events[i].HoldUntil = noon.Add(time.Hour)
				}
			}
		}, []string{"credit.waits"}},
		{"an event that cannot be read", func(w factSet) {
			w.credit(facts.CreditEvent{Type: "credit-imagined", Fault: "the type is unknown"})
		}, []string{"credit.readable"}},
		{"an account that is opened twice", func(w factSet) {
			w.credit(facts.CreditEvent{Type: facts.CreditOpened, Named: customer, Limit: hundred})
		}, []string{"credit.opened"}},
		{"an account that is opened for another", func(w factSet) {
			w.Account(customer).Events[0].Named = "customer-2"
		}, []string{"credit.opened"}},
		{"an order that is reserved twice", func(w factSet) {
			w.credit(facts.CreditEvent{Type: facts.CreditLimit, Named: customer, Limit: money(5000_00)})
			w.reserve(shipped)
		}, []string{"credit.one-reservation"}},
		{"an order that is released twice", func(w factSet) {
			w.release(undone, "CANCELLED", money(0))
		}, []string{"credit.one-release"}},
		{"a release of more than was reserved", func(w factSet) {
			w.change(undone, facts.CreditReleased, func(e *facts.CreditEvent) { e.Amount = hundred })
		}, []string{"credit.one-release"}},
		{"a reservation behind a release", func(w factSet) {
			w.credit(facts.CreditEvent{Type: facts.CreditLimit, Named: customer, Limit: money(5000_00)})
			w.reserve(undone)
		}, []string{"credit.closed", "credit.end"}},
		{"a reservation behind a refusal", func(w factSet) {
			w.credit(facts.CreditEvent{Type: facts.CreditLimit, Named: customer, Limit: money(5000_00)})
			w.reserve(rejected)
		}, []string{"credit.closed", "credit.end"}},
		{"a held order that is reserved without approval", func(w factSet) {
			w.change(approved, facts.CreditReserved, func(e *facts.CreditEvent) { e.ApprovedBy = "" })
		}, []string{"credit.closed", "credit.limit"}},
		{"a reservation over the limit", func(w factSet) {
			w.place("order-over")
			w.start("order-over")
		}, []string{"credit.limit"}},
		{"a refusal of what fits", func(w factSet) {
			w.Account(customer).Events = append(w.Account(customer).Events[:8:8], w.Account(customer).Events[9:]...)
			for i := range w.Account(customer).Events {
				w.Account(customer).Events[i].Revision = uint64(i)
			}
		}, []string{"credit.refusal"}},
		{"a reservation of another amount", func(w factSet) {
			w.change(fulfilling, facts.CreditReserved, func(e *facts.CreditEvent) { e.Amount = money(100_01) })
			w.change(rejected, facts.CreditExceeded, func(e *facts.CreditEvent) { e.Available = money(49_99) })
			w.change(held, facts.CreditExceeded, func(e *facts.CreditEvent) { e.Available = money(49_99) })
			w.change(approved, facts.CreditExceeded, func(e *facts.CreditEvent) { e.Available = money(49_99) })
		}, []string{"credit.order"}},
		{"a reservation for what was never placed", func(w factSet) {
			w.release("order-nowhere", "CANCELLED", money(0))
		}, []string{"credit.never-placed"}},
		{"a reservation whose cause is not known", func(w factSet) {
			w.change(shipped, facts.CreditReserved, func(e *facts.CreditEvent) { e.Causation = "" })
		}, []string{"credit.causation"}},
		{"an event with an id of its own", func(w factSet) {
			w.change(shipped, facts.CreditReserved, func(e *facts.CreditEvent) { e.EventID = "c0ffee" })
		}, []string{"credit.event-id"}},
		{"a cancelled order that was never closed in the account", func(w factSet) {
			w.Order(undone).Credit = nil
		}, []string{"credit.end"}},
		{"a shipped order without a reservation", func(w factSet) {
			w.Order(shipped).Credit = nil
		}, []string{"credit.end"}},
		{"an order on hold that the account does not hold", func(w factSet) {
			w.Order(held).Credit = nil
		}, []string{"credit.end"}},
	}
}
