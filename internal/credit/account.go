package credit

import (
	"errors"
	"maps"

	"orderflow/internal/order"
)

// ErrHistory says that what is recorded of an account cannot be true, or not all of it is there: nothing is decided on
// it, now or later, before somebody has looked. *HistoryError and ErrInvalidEvent wrap it. ErrUnknownEvent does not: a
// newer version may know the event.
var ErrHistory = errors.New("credit history cannot be trusted")

// Account is a customer's credit as its events tell it. Commands (Open, ChangeLimit, Reserve, Approve, Release) decide
// and return events without changing the account; Apply changes it. So the one who appends applies the events once they
// are stored, and an append that failed leaves nothing to undo. An Account is not safe for concurrent use.
type Account struct {
	customerID string
	limit      order.Money // of no currency until the account is opened
	byRule     int64       // open reservations within the rule, in minor units
	byApproval int64       // open reservations outside the rule; byRule + byApproval never overflows
	orders     map[string]Decision
	approved   map[string]struct{} // the orders whose open reservation is counted in byApproval
}

// NewAccount is the account of a customer of whom nothing is recorded yet.
func NewAccount(customerID string) *Account {
	return &Account{customerID: customerID, orders: map[string]Decision{}, approved: map[string]struct{}{}}
}

// Clone is a copy that can change by itself. It copies every order's decision.
func (a *Account) Clone() *Account {
	clone := *a
	clone.orders = maps.Clone(a.orders)
	clone.approved = maps.Clone(a.approved)
	return &clone
}

// CustomerID is whose account it is.
func (a *Account) CustomerID() string { return a.customerID }

// Opened reports whether the account has a limit. Orders can be refused, held and
// released before that.
func (a *Account) Opened() bool { return a.limit.Currency != "" }

// Limit is the account's limit, the zero Money before it is opened.
func (a *Account) Limit() order.Money { return a.limit }

// Reserved is the sum of all open reservations.
func (a *Account) Reserved() order.Money { return a.money(a.byRule + a.byApproval) }

// ReservedByApproval is the part of Reserved that somebody allowed outside the rule.
func (a *Account) ReservedByApproval() order.Money { return a.money(a.byApproval) }

// Available is what can still be reserved by the rule: never less than 0, although approvals and a lowered limit can
// bring the reservations above the limit.
func (a *Account) Available() order.Money {
	return a.money(max(0, a.limit.Minor-a.byRule-a.byApproval))
}

// Decision is what stands for an order, and whether anything does.
func (a *Account) Decision(orderID string) (Decision, bool) {
	decision, ok := a.orders[orderID]
	return decision, ok
}

func (a *Account) money(minor int64) order.Money {
	return order.Money{Minor: minor, Currency: a.limit.Currency}
}
