package credit

import (
	"errors"
	"fmt"
	"time"

	"orderflow/internal/order"
)

// ErrBusy is returned while other requests and writers keep an account busy. Nothing was
// written. The same request succeeds a little later.
var ErrBusy = errors.New("credit account is busy")

// The errors of a command. None of them goes away on a retry.
var (
	ErrInvalidAmount = errors.New("amount must be more than 0 and have a currency")
	ErrNotHeld       = errors.New("order is not held")
	ErrOtherAmount   = errors.New("order is held with another amount")
	ErrTooMuch       = errors.New("sum of reservations overflows")
	ErrNoReason      = errors.New("a reason or an approver is missing")
	ErrAlreadyOpened = errors.New("credit account is already opened with another limit")
	ErrNotOpened     = errors.New("credit account is not opened")
	ErrOtherCurrency = errors.New("credit account is in another currency")
)

// ReasonPaid is the reason of the release of a paid order.
const ReasonPaid = "paid"

// Cause is why an order is closed in an account.
type Cause struct {
	Reason     string      // a code; required
	DeclinedBy string      // the id of the operator who declined the order's credit, if one did
	Paid       order.Money // with ReasonPaid, what was paid in all
	Overpaid   order.Money // with ReasonPaid, the part of Paid that exceeds the order's total
	HeldOnly   bool        // close the order only if it is not reserved: the account does not know whether it has gone on
}

// Request is a command about one order. Source is stored in the metadata of the resulting
// events.
type Request struct {
	CustomerID string
	OrderID    string
	Amount     order.Money // the order's total
	Source     order.Source
	HoldUntil  time.Time // how long the order may wait for an operator if it is over the limit; zero refuses it at once
}

// Verdict is an account's decision about an order.
type Verdict string

// The verdicts. Refused is permanent, held waits for approval or release, and released
// closes the order.
const (
	VerdictReserved Verdict = "reserved"
	VerdictRefused  Verdict = "refused"
	VerdictHeld     Verdict = "held"
	VerdictReleased Verdict = "released"
)

// Decision is an account's decision about an order.
type Decision struct {
	Verdict Verdict `json:"verdict"`
	// Reason is INSUFFICIENT_CREDIT, UNKNOWN_CUSTOMER or CURRENCY_MISMATCH for an order
	// that was refused or held, and the reason of the release for an order that was
	// released. It is empty for a reserved order.
	Reason string `json:"reason,omitempty"`
	// Amount is the requested amount, or the amount that a release freed.
	Amount order.Money `json:"amount"`
	// HoldUntil is the end of a held order's hold. It is zero otherwise, and for holds
	// that were recorded without it.
	HoldUntil time.Time `json:"holdUntil,omitzero"`
}

// Open opens the account with a limit. With the same limit again it does nothing. It
// returns ErrAlreadyOpened if the account has another limit.
func (a *Account) Open(limit order.Money) ([]Event, error) {
	switch {
	case !validAmount(limit):
		return nil, ErrInvalidAmount
	case a.limit == limit:
		return nil, nil
	case a.Opened():
		return nil, ErrAlreadyOpened
	}
	return []Event{Opened{CustomerID: a.customerID, Limit: limit}}, nil
}

// ChangeLimit changes the limit and keeps open reservations. With the same limit it does
// nothing. It returns ErrNotOpened or ErrOtherCurrency.
func (a *Account) ChangeLimit(limit order.Money) ([]Event, error) {
	switch {
	case !validAmount(limit):
		return nil, ErrInvalidAmount
	case !a.Opened():
		return nil, ErrNotOpened
	case !limit.SameCurrency(a.limit):
		return nil, ErrOtherCurrency
	case a.limit == limit:
		return nil, nil
	}
	return []Event{LimitChanged{CustomerID: a.customerID, Limit: limit}}, nil
}

// Reserve decides about an order by the rule. If the order was decided before, Reserve
// returns that decision, whatever the amount. It returns ErrNoLimit if the account would
// have to be opened in a currency that has no default limit.
func (a *Account) Reserve(orderID string, amount order.Money, terms Terms) (Decision, []Event, error) {
	if decision, ok := a.Decision(orderID); ok {
		return decision, nil, nil
	}
	if !order.ValidID(orderID) {
		return Decision{}, nil, fmt.Errorf("order id: %w", order.ErrInvalidID)
	}
	if !positive(amount) {
		return Decision{}, nil, ErrInvalidAmount
	}
	if !a.Opened() && (terms.UnknownCustomer == UnknownHold || terms.UnknownCustomer == UnknownReject) {
		if terms.UnknownCustomer == UnknownReject {
			terms.HoldUntil = time.Time{}
		}
		return a.limitExceeded(orderID, amount, order.Zero(amount.Currency), terms.HoldUntil, order.ReasonUnknownCustomer)
	}
	limit, opening, err := a.openFor(amount.Currency, terms)
	if err != nil {
		return Decision{}, nil, err
	}
	decision, events, err := a.decide(orderID, amount, Available(limit, a.byRule+a.byApproval), terms.HoldUntil)
	return decision, append(opening, events...), err
}

// decide applies the rule to an order of an opened account.
func (a *Account) decide(orderID string, amount, available order.Money, holdUntil time.Time) (Decision, []Event, error) {
	switch {
	case !amount.SameCurrency(available):
		return a.limitExceeded(orderID, amount, available, time.Time{}, order.ReasonCurrencyMismatch)
	case amount.Minor > available.Minor:
		return a.limitExceeded(orderID, amount, available, holdUntil, order.ReasonInsufficientCredit)
	default:
		reserved := Reserved{OrderID: orderID, Amount: amount}
		return Decision{Verdict: VerdictReserved, Amount: amount}, []Event{reserved}, nil
	}
}

// openFor returns the account's limit, and the event that opens the account if it is not
// yet opened.
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

func (a *Account) limitExceeded(
	orderID string, amount, available order.Money, holdUntil time.Time, reason order.Reason,
) (Decision, []Event, error) {
	event := LimitExceeded{
		OrderID: orderID, Amount: amount, Available: available, Held: !holdUntil.IsZero(), HoldUntil: holdUntil.UTC(),
	}
	decision := Decision{Verdict: exceededVerdict(event.Held), Reason: string(reason), Amount: amount, HoldUntil: event.HoldUntil}
	return decision, []Event{event}, nil
}

func exceededVerdict(held bool) Verdict {
	if held {
		return VerdictHeld
	}
	return VerdictRefused
}

// Approve reserves a held order outside the rule, because an operator (by, a code)
// approved it. It opens the account first if necessary. If the order was settled before,
// Approve returns that decision. It returns ErrNotHeld for an order that was never
// decided, ErrOtherAmount, ErrTooMuch or ErrNoLimit.
func (a *Account) Approve(orderID string, amount order.Money, by string, terms Terms) (Decision, []Event, error) {
	held, ok := a.Decision(orderID)
	switch {
	case ok && held.Verdict != VerdictHeld:
		return held, nil, nil
	case !ok:
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
	case !amount.SameCurrency(limit):
		return a.limitExceeded(orderID, amount, a.Available(), time.Time{}, order.ReasonCurrencyMismatch)
	case !a.fits64(amount):
		return Decision{}, nil, ErrTooMuch
	}
	reserved := Reserved{OrderID: orderID, Amount: amount, ApprovedBy: by}
	return Decision{Verdict: VerdictReserved, Amount: amount}, append(opening, reserved), nil
}

// Release closes an order permanently and frees the amount reserved for it. zero is the
// amount if nothing is reserved, in the order's currency. If the order was released
// before, or is reserved and cause is for a held order only, Release returns that decision.
func (a *Account) Release(orderID string, zero order.Money, cause Cause) (Decision, []Event, error) {
	before, _ := a.Decision(orderID)
	switch {
	case before.Verdict == VerdictReleased, cause.HeldOnly && before.Verdict == VerdictReserved:
		return before, nil, nil
	case !order.ValidID(orderID):
		return Decision{}, nil, fmt.Errorf("order id: %w", order.ErrInvalidID)
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
