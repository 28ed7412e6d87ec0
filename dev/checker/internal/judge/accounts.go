package judge

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

func accounts() []Invariant {
	return []Invariant{
		{"credit.contiguous", "a credit stream starts at revision 0 and has no gap", eachAccount(contiguous)},
		{"credit.readable", "every event of a credit stream can be read", eachEvent(readable)},
		{"credit.opened", "an account is opened once, for its customer, before anything is reserved or changed on it", eachEvent(opened)},
		{"credit.one-reservation", "an order is reserved at most once", eachEvent(oneReservation)},
		{"credit.one-release", "an order is released at most once, for exactly the amount that was reserved", eachEvent(oneRelease)},
		{"credit.closed", "nothing is reserved for an order after its release or refusal; a held order is reserved only by approval or by a review", eachEvent(closed)},
		{"credit.review", "credit that was freed goes to the oldest order on hold that fits", eachEvent(review)},
		{"credit.waits", "no order is left on hold although its credit is free", eachAccount(waits)},
		{"credit.limit", "reservations without an approval fit the limit when they are made", eachEvent(limit)},
		{"credit.refusal", "an order is refused or held only when it does not fit, and the event records what was available", eachEvent(refusal)},
	}
}

// ledger is an account, as far as its events have been read.
type ledger struct {
	opened bool
	limit  order.Money
	open   int64 // the sum of open reservations
	claims map[string]claim
	freed  map[string]bool // ids of events that may have freed credit
}

// claim is what the account records about one order.
type claim struct {
	amount                            int64 // reserved and not released
	reserved, released, held, refused bool
	since                             uint64            // revision of the event that put it on hold
	exceeded                          facts.CreditEvent // that event
}

// apply applies an event without checking it; the invariants report what is wrong with
// it.
func (l *ledger) apply(e facts.CreditEvent) {
	c := l.claims[e.OrderID]
	if e.Type == facts.CreditOpened || e.Type == facts.CreditLimit || e.Type == facts.CreditReleased {
		if l.freed == nil {
			l.freed = map[string]bool{}
		}
		l.freed[e.EventID] = true
	}
	switch e.Type {
	case facts.CreditOpened, facts.CreditLimit:
		l.opened, l.limit = true, e.Limit
		return
	case facts.CreditReserved:
		c.reserved, c.held = true, false
		c.amount += e.Amount.Minor
		l.open += e.Amount.Minor
	case facts.CreditExceeded:
		c.held, c.refused = e.Held, !e.Held
		c.since, c.exceeded = e.Revision, e
	case facts.CreditReleased:
		c.released, c.held = true, false
		l.open -= c.amount
		c.amount = 0
	}
	l.claims[e.OrderID] = c
}

func (l *ledger) available() int64 { return max(0, l.limit.Minor-l.open) }

func eachAccount(check func(*facts.Account) []Violation) func(*facts.Facts) []Violation {
	return func(f *facts.Facts) []Violation {
		var found []Violation
		for _, id := range slices.Sorted(maps.Keys(f.Accounts)) {
			found = append(found, check(f.Accounts[id])...)
		}
		return found
	}
}

// eachEvent checks every event against the account as it was before that event.
func eachEvent(check func(before *ledger, e facts.CreditEvent) []string) func(*facts.Facts) []Violation {
	return eachAccount(func(a *facts.Account) []Violation {
		var found []Violation
		l := &ledger{claims: map[string]claim{}}
		for _, e := range a.Events {
			for _, detail := range check(l, e) {
				found = append(found, Violation{Order: e.OrderID, Detail: place(e) + ": " + detail})
			}
			l.apply(e)
		}
		return found
	})
}

func place(e facts.CreditEvent) string {
	return fmt.Sprintf("event %d of credit-%s", e.Revision, e.CustomerID)
}

func contiguous(a *facts.Account) []Violation {
	var found []Violation
	for i, e := range a.Events {
		if e.Revision != uint64(i) {
			found = append(found, Violation{Detail: fmt.Sprintf("%s is where %d should be", place(e), i)})
			break // all later ones would be reported too
		}
	}
	return found
}

func readable(_ *ledger, e facts.CreditEvent) []string {
	return pick(broken{e.Fault != "", e.Fault})
}

func opened(before *ledger, e facts.CreditEvent) []string {
	names := e.Type == facts.CreditOpened || e.Type == facts.CreditLimit
	needs := e.Type == facts.CreditReserved || e.Type == facts.CreditLimit
	return pick(
		broken{e.Type == facts.CreditOpened && before.opened, "the account was opened before"},
		broken{names && e.Named != e.CustomerID, "it names another customer"},
		broken{needs && !before.opened, "the account is not opened"},
		broken{before.opened && names && e.Limit.Currency != before.limit.Currency, "it is in another currency than the account"},
		broken{before.opened && e.Type == facts.CreditReserved && e.Amount.Currency != before.limit.Currency, "it is in another currency than the account"},
	)
}

func oneReservation(before *ledger, e facts.CreditEvent) []string {
	return pick(broken{e.Type == facts.CreditReserved && before.claims[e.OrderID].reserved, "the order was reserved before"})
}

func oneRelease(before *ledger, e facts.CreditEvent) []string {
	c := before.claims[e.OrderID]
	if e.Type != facts.CreditReleased {
		return nil
	}
	return pick(
		broken{c.released, "the order was released before"},
		broken{!c.released && e.Amount.Minor != c.amount, "it releases another amount than was reserved"},
	)
}

func closed(before *ledger, e facts.CreditEvent) []string {
	c := before.claims[e.OrderID]
	if e.Type != facts.CreditReserved {
		return pick(broken{e.Type == facts.CreditExceeded && (c.released || c.refused || c.reserved), "the order was decided before"})
	}
	return pick(
		broken{c.released, "the order was released before"},
		broken{c.refused, "the order was refused before"},
		broken{c.held && e.ApprovedBy == "" && e.FreedBy == "", "the order is held and was not approved"},
		broken{!c.held && e.ApprovedBy != "", "it is approved and was not held"},
		broken{!c.held && e.FreedBy != "", "it was reviewed and was not held"},
	)
}

// fits reports whether a held order's hold had not ended at a time, and its amount was free.
func (l *ledger) fits(c claim, at time.Time) bool {
	e := c.exceeded
	return c.held && (e.HoldUntil.IsZero() || e.HoldUntil.After(at)) && e.Amount.Currency == l.limit.Currency && e.Amount.Minor <= l.available()
}

func review(before *ledger, e facts.CreditEvent) []string {
	if e.Type != facts.CreditReserved || e.FreedBy == "" {
		return nil
	}
	details := pick(broken{!before.freed[e.FreedBy], "no earlier event of the account freed the credit"})
	for id, c := range before.claims {
		if id != e.OrderID && c.since < before.claims[e.OrderID].since && before.fits(c, e.At) {
			details = append(details, fmt.Sprintf("%s is older and fits too", id))
		}
	}
	slices.Sort(details)
	return details
}

// waits checks the account as it is in the end. An order whose hold ends within a minute may
// be about to be decided.
func waits(a *facts.Account) []Violation {
	l := &ledger{claims: map[string]claim{}}
	var last time.Time
	for _, e := range a.Events {
		l.apply(e)
		last = e.At
	}
	var found []Violation
	for _, id := range slices.Sorted(maps.Keys(l.claims)) {
		c := l.claims[id]
		if !c.exceeded.HoldUntil.IsZero() && l.fits(c, last.Add(time.Minute)) {
			found = append(found, Violation{Order: id, Detail: place(c.exceeded) + ": it is still on hold, and its credit is free"})
		}
	}
	return found
}

func limit(before *ledger, e facts.CreditEvent) []string {
	byRule := e.Type == facts.CreditReserved && e.ApprovedBy == ""
	return pick(broken{byRule && before.opened && e.Amount.Minor > before.available(),
		fmt.Sprintf("%s was reserved with %s available", e.Amount, order.Money{Minor: before.available(), Currency: before.limit.Currency})})
}

func refusal(before *ledger, e facts.CreditEvent) []string {
	if e.Type != facts.CreditExceeded || !before.opened {
		return nil
	}
	fits := e.Amount.Currency == before.limit.Currency && e.Amount.Minor <= before.available()
	return pick(
		broken{fits, "it fits the limit"},
		broken{e.Available.Minor != before.available(), "it records another available amount"},
	)
}
