package credit

import (
	"errors"
	"strings"

	"orderflow/internal/order"
)

// StreamPrefix begins the name of every account's stream.
const StreamPrefix = "credit-"

// Stream returns the name of a customer's account's stream: credit-<customerId>.
func Stream(customerID string) string { return StreamPrefix + customerID }

// Links is the stream of links to the events of every account, which the system projection
// $by_category fills.
const Links = "$ce-credit"

// CustomerOf returns the customer whose account a stream is. It reports false for any
// other stream.
func CustomerOf(stream string) (customerID string, ok bool) {
	customerID, ok = strings.CutPrefix(stream, StreamPrefix)
	return customerID, ok && order.ValidIdentifier(customerID)
}

// ErrHistory is returned if the recorded history of an account is impossible or
// incomplete. The account decides nothing, now or later, until an operator has looked at
// it. *HistoryError and ErrInvalidEvent wrap it. ErrUnknownEvent does not: a newer
// version may know the event.
var ErrHistory = errors.New("credit history cannot be trusted")

// Account is a customer's credit account, folded from its events. Commands (Open,
// ChangeLimit, Reserve, Approve, Release, Review) decide and return events without changing the
// account; Apply changes it. The caller that appends the events applies them once they
// are stored, so a failed append leaves nothing to undo. An Account is not safe for
// concurrent use.
type Account struct {
	customerID string
	limit      order.Money // without a currency until the account is opened
	byRule     int64       // open reservations made by the rule, in minor units
	byApproval int64       // open reservations made by approval; byRule + byApproval never overflows
	events     uint64      // applied so far
	orders     map[string]decided
	holds      map[string]hold // of orders that were put on hold; without most of those that are settled since
	base       *Account        // of a draft: what it continues from; nil otherwise
}

// decided is what an account keeps of an order.
type decided struct {
	Decision
	approved bool // its open reservation is counted in byApproval
}

// NewAccount returns the account of a customer without any events.
func NewAccount(customerID string) *Account {
	return &Account{customerID: customerID, orders: map[string]decided{}, holds: map[string]hold{}}
}

// Draft returns an account that continues from a. Events applied to the draft leave a
// unchanged, and a must not change while the draft is in use. Several commands can so be
// decided in turn before their events are stored. It costs the same for any history.
func (a *Account) Draft() *Account {
	draft := *a
	draft.base, draft.orders, draft.holds = a, map[string]decided{}, map[string]hold{}
	return &draft
}

// CustomerID returns the id of the account's customer.
func (a *Account) CustomerID() string { return a.customerID }

// Events returns the number of events applied, which is the revision of the next.
func (a *Account) Events() uint64 { return a.events }

// Opened reports whether the account has a limit. Orders can be refused, held and
// released before that.
func (a *Account) Opened() bool { return a.limit.Currency != "" }

// Limit returns the account's limit, or the zero Money before it is opened.
func (a *Account) Limit() order.Money { return a.limit }

// Reserved returns the sum of all open reservations.
func (a *Account) Reserved() order.Money { return a.money(a.byRule + a.byApproval) }

// ReservedByApproval returns the part of Reserved that an operator approved outside the
// rule.
func (a *Account) ReservedByApproval() order.Money { return a.money(a.byApproval) }

// Available returns the amount that can still be reserved by the rule under a limit, of
// which an amount in its minor units is reserved. It is never less than 0, although
// approvals and a lowered limit can bring the reservations above the limit.
func Available(limit order.Money, reserved int64) order.Money {
	return order.Money{Minor: max(0, limit.Minor-reserved), Currency: limit.Currency}
}

// Available returns the amount that can still be reserved by the rule.
func (a *Account) Available() order.Money { return Available(a.limit, a.byRule+a.byApproval) }

// Decision returns the decision about an order, and reports whether there is one.
func (a *Account) Decision(orderID string) (Decision, bool) {
	found, ok := a.find(orderID)
	return found.Decision, ok
}

// Decided returns the number of orders that the account has decided. It keeps each of
// them in memory, closed or not, because a decision is permanent.
func (a *Account) Decided() int { return len(a.orders) }

func (a *Account) find(orderID string) (decided, bool) {
	found, ok := a.orders[orderID]
	if !ok && a.base != nil {
		return a.base.find(orderID)
	}
	return found, ok
}

func (a *Account) money(minor int64) order.Money {
	return order.Money{Minor: minor, Currency: a.limit.Currency}
}
