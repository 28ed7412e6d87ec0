package credit

import (
	"fmt"
	"math"

	"orderflow/internal/order"
)

// HistoryError describes an event that cannot follow the ones before it: the stream was
// not written by these rules. It wraps ErrHistory.
type HistoryError struct {
	EventType string
	OrderID   string // empty for an event that is not about an order
	Reason    string
}

// Error returns the event type, the order and the contradiction.
func (e *HistoryError) Error() string {
	if e.OrderID == "" {
		return fmt.Sprintf("impossible %s: %s", e.EventType, e.Reason)
	}
	return fmt.Sprintf("impossible %s of %s: %s", e.EventType, e.OrderID, e.Reason)
}

// Unwrap returns ErrHistory.
func (e *HistoryError) Unwrap() error { return ErrHistory }

// Apply applies the next event of the account's stream. On an error, which is
// ErrUnknownEvent or a *HistoryError, it leaves the account unchanged. It does not check
// again whether a reservation fits the limit, because a recorded event has happened.
func (a *Account) Apply(event Event) error {
	err := a.apply(event)
	if err == nil {
		a.events++
	}
	return err
}

func (a *Account) apply(event Event) error {
	switch e := event.(type) {
	case Opened:
		return a.applyOpened(e)
	case LimitChanged:
		return a.applyLimitChanged(e)
	case Reserved:
		return a.applyReserved(e)
	case LimitExceeded:
		return a.applyLimitExceeded(e)
	case Released:
		return a.applyReleased(e)
	default:
		return fmt.Errorf("%w: %T", ErrUnknownEvent, event)
	}
}

func (a *Account) applyOpened(e Opened) error {
	switch {
	case a.Opened():
		return &HistoryError{EventType: TypeOpened, Reason: "it was opened before"}
	case e.CustomerID != a.customerID:
		return &HistoryError{EventType: TypeOpened, Reason: "it is another customer's"}
	case !validAmount(e.Limit):
		return &HistoryError{EventType: TypeOpened, Reason: "it has no limit"}
	}
	a.limit = e.Limit
	return nil
}

func (a *Account) applyLimitChanged(e LimitChanged) error {
	switch {
	case !a.Opened():
		return &HistoryError{EventType: TypeLimitChanged, Reason: "it is not opened"}
	case e.CustomerID != a.customerID:
		return &HistoryError{EventType: TypeLimitChanged, Reason: "it is another customer's"}
	case !e.Limit.SameCurrency(a.limit) || e.Limit.Minor < 0:
		return &HistoryError{EventType: TypeLimitChanged, Reason: "it is in another currency"}
	}
	a.limit = e.Limit
	return nil
}

func (a *Account) applyReserved(e Reserved) error {
	before, found := a.find(e.OrderID)
	held, approved, reviewed := before.Verdict == VerdictHeld, e.ApprovedBy != "", e.FreedBy != ""
	reason := ""
	switch {
	case found && !held:
		reason = "it was " + string(before.Verdict) + " before"
	case held != (approved || reviewed), approved && reviewed:
		reason = "what is held is reserved by approval or by a review, and only that"
	case held && before.Amount != e.Amount:
		reason = "another amount was held"
	case !a.Opened() || !e.Amount.SameCurrency(a.limit):
		reason = "the account is not in its currency"
	case !a.fits64(e.Amount):
		reason = "the reservations overflow"
	}
	if reason != "" {
		return &HistoryError{EventType: TypeReserved, OrderID: e.OrderID, Reason: reason}
	}
	if approved {
		a.byApproval += e.Amount.Minor
	} else {
		a.byRule += e.Amount.Minor
	}
	a.orders[e.OrderID] = decided{Decision: Decision{Verdict: VerdictReserved, Amount: e.Amount}, approved: approved}
	a.endHold(e.OrderID, e.FreedBy)
	return nil
}

// fits64 reports whether a positive amount can be added to the reservations without
// overflow.
func (a *Account) fits64(amount order.Money) bool {
	return amount.Minor > 0 && amount.Minor <= math.MaxInt64-a.byRule-a.byApproval
}

func (a *Account) applyLimitExceeded(e LimitExceeded) error {
	before, found := a.find(e.OrderID)
	reason := ReasonExceeded(a.limit, e.Amount)
	settles := before.Verdict == VerdictHeld && !e.Held && reason == order.ReasonCurrencyMismatch
	if found && !settles || !positive(e.Amount) {
		return &HistoryError{EventType: TypeLimitExceeded, OrderID: e.OrderID, Reason: "it was decided before, or asks for nothing"}
	}
	decision := Decision{Verdict: exceededVerdict(e.Held), Reason: string(reason), Amount: e.Amount}
	if e.Held {
		decision.HoldUntil = e.HoldUntil
		a.holds[e.OrderID] = hold{since: a.events}
	} else {
		a.endHold(e.OrderID, "")
	}
	a.orders[e.OrderID] = decided{Decision: decision}
	return nil
}

// ReasonExceeded returns the reason why an amount was not reserved under an account's
// limit, which has no currency before the account is opened. A LimitExceeded does not
// contain the reason, because it follows from the events before it.
func ReasonExceeded(limit, amount order.Money) order.Reason {
	switch {
	case limit.Currency == "":
		return order.ReasonUnknownCustomer
	case !amount.SameCurrency(limit):
		return order.ReasonCurrencyMismatch
	default:
		return order.ReasonInsufficientCredit
	}
}

func (a *Account) applyReleased(e Released) error {
	before, _ := a.find(e.OrderID)
	reserved := before.Verdict == VerdictReserved
	switch {
	case before.Verdict == VerdictReleased:
		return &HistoryError{EventType: TypeReleased, OrderID: e.OrderID, Reason: "it was released before"}
	case reserved && e.Amount != before.Amount, !reserved && !e.Amount.IsZero():
		return &HistoryError{EventType: TypeReleased, OrderID: e.OrderID, Reason: "another amount was reserved"}
	}
	if before.approved {
		a.byApproval -= e.Amount.Minor
	} else {
		a.byRule -= e.Amount.Minor
	}
	a.orders[e.OrderID] = decided{Decision: Decision{Verdict: VerdictReleased, Reason: e.Reason, Amount: e.Amount}}
	a.endHold(e.OrderID, "")
	return nil
}
