package judge

import (
	"cmp"
	"fmt"
	"slices"

	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

const reasonPaid = "paid"

func payment(o *facts.Order, placed facts.Placed) []string {
	sum, due := paidFor(o, placed.Total)
	released := slices.ContainsFunc(o.Credit, func(e facts.CreditEvent) bool { return e.Type == facts.CreditReleased })
	details := pick(broken{due && !released, "was paid and its credit is not released"})
	for _, e := range o.Credit {
		if e.Type != facts.CreditReleased || e.Reason != reasonPaid {
			continue
		}
		over := order.Money{Minor: e.Paid.Minor - placed.Total.Minor, Currency: placed.Total.Currency}
		stated := e.Paid.Currency != ""
		details = append(details, pick(
			broken{sum < placed.Total.Minor, "its credit is released as paid, and its payments do not cover it"},
			broken{stated && (e.Paid.Minor < placed.Total.Minor || e.Paid.Minor > sum || e.Paid.Currency != placed.Total.Currency),
				fmt.Sprintf("%s: records that %s was paid for %s", place(e), e.Paid, placed.Total)},
			broken{stated && e.Overpaid != over, fmt.Sprintf("%s: records that %s was overpaid with %s", place(e), e.Overpaid, e.Paid)},
		)...)
	}
	return details
}

// paidFor adds up the payments of an order, each id once, in minor units. It reports
// whether they settle the order: whether a payment that was not parked brought the sum to
// the total, or came after that.
func paidFor(o *facts.Order, total order.Money) (sum int64, due bool) {
	counted := map[string]order.Money{}
	for _, p := range o.Payments {
		id := cmp.Or(p.PaymentID, p.EventID)
		first, repeated := counted[id]
		if p.Fault != "" || p.Amount.Currency != total.Currency || repeated && first != p.Amount {
			continue
		}
		if !repeated {
			counted[id], sum = p.Amount, sum+p.Amount.Minor
		}
		parked := slices.ContainsFunc(o.Parked, func(x facts.Parked) bool { return x.Revision == p.Revision })
		due = due || sum >= total.Minor && !parked
	}
	return sum, due
}
