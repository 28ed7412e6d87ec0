package credit

import (
	"errors"
	"time"

	"orderflow/internal/order"
)

// What a command can refuse to do. None of these goes away by trying again.
var (
	ErrInvalidAmount  = errors.New("amount must be more than 0 and say its currency")
	ErrNotHeld        = errors.New("order is not held")
	ErrOtherAmount    = errors.New("order is held with another amount")
	ErrTooMuch        = errors.New("reservations come to more than can be counted")
	ErrNoReason       = errors.New("a reason or an approver is missing")
	ErrAlreadyOpened  = errors.New("credit account is already opened with another limit")
	ErrNotOpened      = errors.New("credit account is not opened")
	ErrOtherCurrency  = errors.New("credit account is in another currency")
	ErrInvalidOrderID = errors.New("order id is not one")
)

// Verdict is what an account says about an order.
type Verdict string

// The verdicts. Refused is for good; held waits for approval or release; released closes the order.
const (
	VerdictReserved Verdict = "reserved"
	VerdictRefused  Verdict = "refused"
	VerdictHeld     Verdict = "held"
	VerdictReleased Verdict = "released"
)

// Decision is what stands for an order.
type Decision struct {
	Verdict Verdict `json:"verdict"`
	// Reason is INSUFFICIENT_CREDIT, UNKNOWN_CUSTOMER or CURRENCY_MISMATCH of what was refused or held, and the release's
	// reason of what was released. What is reserved has none.
	Reason string `json:"reason,omitempty"`
	// Amount is what was asked for, or what a release gave back.
	Amount order.Money `json:"amount"`
	// HoldUntil is when the hold of a held order ends. It is zero otherwise, and for holds that were recorded without it.
	HoldUntil time.Time `json:"holdUntil,omitzero"`
}

// Open begins the account with a limit. The same again does nothing; ErrAlreadyOpened with another limit.
func (a *Account) Open(limit order.Money) ([]Event, error) {
	switch {
	case !known(limit):
		return nil, ErrInvalidAmount
	case a.limit == limit:
		return nil, nil
	case a.Opened():
		return nil, ErrAlreadyOpened
	}
	return []Event{Opened{CustomerID: a.customerID, Limit: limit}}, nil
}

// ChangeLimit sets another limit; open reservations stand. The same limit again does nothing. Errors are ErrNotOpened
// and ErrOtherCurrency.
func (a *Account) ChangeLimit(limit order.Money) ([]Event, error) {
	switch {
	case !known(limit):
		return nil, ErrInvalidAmount
	case !a.Opened():
		return nil, ErrNotOpened
	case limit.Currency != a.limit.Currency:
		return nil, ErrOtherCurrency
	case a.limit == limit:
		return nil, nil
	}
	return []Event{LimitChanged{CustomerID: a.customerID, Limit: limit}}, nil
}

// Reserve decides about an order by the rule, or answers what was decided, whatever amount is asked for then. It errs
// with ErrNoLimit when the account would have to be opened in a currency that has no default limit.
func (a *Account) Reserve(orderID string, amount order.Money, terms Terms) (Decision, []Event, error) {
	if decision, decided := a.orders[orderID]; decided {
		return decision, nil, nil
	}
	if !order.ValidID(orderID) {
		return Decision{}, nil, ErrInvalidOrderID
	}
	if !positive(amount) {
		return Decision{}, nil, ErrInvalidAmount
	}
	if !a.Opened() && (terms.UnknownCustomer == UnknownHold || terms.UnknownCustomer == UnknownReject) {
		if terms.UnknownCustomer == UnknownReject {
			terms.HoldUntil = time.Time{}
		}
		return a.exceed(orderID, amount, order.Zero(amount.Currency), terms.HoldUntil, order.ReasonUnknownCustomer)
	}
	limit, opening, err := a.openFor(amount.Currency, terms)
	if err != nil {
		return Decision{}, nil, err
	}
	available := order.Money{Minor: max(0, limit.Minor-a.byRule-a.byApproval), Currency: limit.Currency}
	decision, events, err := a.decide(orderID, amount, available, terms.HoldUntil)
	return decision, append(opening, events...), err
}

// decide applies the rule to an order of an opened account.
func (a *Account) decide(orderID string, amount, available order.Money, holdUntil time.Time) (Decision, []Event, error) {
	switch {
	case amount.Currency != available.Currency:
		return a.exceed(orderID, amount, available, time.Time{}, order.ReasonCurrencyMismatch)
	case amount.Minor > available.Minor:
		return a.exceed(orderID, amount, available, holdUntil, order.ReasonInsufficientCredit)
	default:
		reserved := Reserved{OrderID: orderID, Amount: amount}
		return Decision{Verdict: VerdictReserved, Amount: amount}, []Event{reserved}, nil
	}
}

// openFor gives the account's limit, and the event that opens it first when it is not yet opened.
func (a *Account) openFor(currency string, terms Terms) (order.Money, []Event, error) {
	if a.Opened() {
		return a.limit, nil, nil
	}
	limit, err := terms.Limits.For(currency)
	if err != nil {
		return order.Money{}, nil, err
	}
	return limit, []Event{Opened{CustomerID: a.customerID, Limit: limit}}, nil
}

func (a *Account) exceed(
	orderID string, amount, available order.Money, holdUntil time.Time, reason order.Reason,
) (Decision, []Event, error) {
	event := LimitExceeded{
		OrderID: orderID, Amount: amount, Available: available, Held: !holdUntil.IsZero(), HoldUntil: holdUntil.UTC(),
	}
	decision := Decision{Verdict: exceeded(event.Held), Reason: string(reason), Amount: amount, HoldUntil: event.HoldUntil}
	return decision, []Event{event}, nil
}

func exceeded(held bool) Verdict {
	if held {
		return VerdictHeld
	}
	return VerdictRefused
}

// Approve reserves a held order outside the rule, because somebody (by, a code) allowed it; the account is opened first
// if need be. What is settled already is answered as it is. Errors are ErrNotHeld for an order nobody asked about,
// ErrOtherAmount, ErrTooMuch and ErrNoLimit.
func (a *Account) Approve(orderID string, amount order.Money, by string, terms Terms) (Decision, []Event, error) {
	held, decided := a.orders[orderID]
	switch {
	case decided && held.Verdict != VerdictHeld:
		return held, nil, nil
	case !decided:
		return Decision{}, nil, ErrNotHeld
	case held.Amount != amount:
		return Decision{}, nil, ErrOtherAmount
	case by == "":
		return Decision{}, nil, ErrNoReason
	}
	limit, opening, err := a.openFor(amount.Currency, terms)
	switch {
	case err != nil:
		return Decision{}, nil, err
	case limit.Currency != amount.Currency:
		return a.exceed(orderID, amount, a.Available(), time.Time{}, order.ReasonCurrencyMismatch)
	case !a.fits64(amount):
		return Decision{}, nil, ErrTooMuch
	}
	reserved := Reserved{OrderID: orderID, Amount: amount, ApprovedBy: by}
	return Decision{Verdict: VerdictReserved, Amount: amount}, append(opening, reserved), nil
}

// Release closes an order for ever and gives back what is reserved for it. zero says the order's currency, for the
// amount when nothing is reserved. What was released already is answered as it was.
func (a *Account) Release(orderID string, zero order.Money, cause Cause) (Decision, []Event, error) {
	before := a.orders[orderID]
	switch {
	case before.Verdict == VerdictReleased:
		return before, nil, nil
	case !order.ValidID(orderID):
		return Decision{}, nil, ErrInvalidOrderID
	case cause.Reason == "":
		return Decision{}, nil, ErrNoReason
	case zero.Currency == "":
		return Decision{}, nil, ErrInvalidAmount
	}
	amount := order.Zero(zero.Currency)
	if before.Verdict == VerdictReserved {
		amount = before.Amount
	}
	released := Released{
		OrderID: orderID, Amount: amount, Reason: cause.Reason, DeclinedBy: cause.DeclinedBy, Paid: cause.Paid, Overpaid: cause.Overpaid,
	}
	return Decision{Verdict: VerdictReleased, Reason: cause.Reason, Amount: amount}, []Event{released}, nil
}
