package credit

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"orderflow/internal/order"
)

// ErrUnknownEvent says that an event on a credit stream is of a type this version does not know. The account cannot be
// judged without it.
var ErrUnknownEvent = errors.New("unknown credit event")

// ErrInvalidEvent says that an event's body cannot be what this package wrote. It wraps ErrHistory.
var ErrInvalidEvent = fmt.Errorf("invalid credit event: %w", ErrHistory)

// maxEventBytes is far more than any event of an account needs.
const maxEventBytes = 64 << 10

// The types of the events on a credit stream.
const (
	TypeOpened        = "credit-account-opened"
	TypeLimitChanged  = "credit-limit-changed"
	TypeReserved      = "credit-reserved"
	TypeLimitExceeded = "credit-limit-exceeded"
	TypeReleased      = "credit-released"
)

// Event is one fact of a credit account: Opened, LimitChanged, Reserved, LimitExceeded or Released.
type Event interface {
	// EventType is the type the event is stored under.
	EventType() string
}

// Opened begins an account. Its limit fixes the account's currency.
type Opened struct {
	CustomerID string      `json:"customerId"`
	Limit      order.Money `json:"limit"`
}

// LimitChanged sets another limit in the same currency. Open reservations stand, even above it.
type LimitChanged struct {
	CustomerID string      `json:"customerId"`
	Limit      order.Money `json:"limit"`
}

// Reserved takes an amount off the credit that is available. ApprovedBy names who allowed it outside the rule.
type Reserved struct {
	OrderID    string      `json:"orderId"`
	Amount     order.Money `json:"amount"`
	ApprovedBy string      `json:"approvedBy,omitempty"`
}

// LimitExceeded says that an order was not reserved: held for an operator to approve until HoldUntil, or refused. Held
// orders that were recorded by earlier versions have no HoldUntil.
type LimitExceeded struct {
	OrderID   string      `json:"orderId"`
	Amount    order.Money `json:"amount"`
	Available order.Money `json:"available"`
	Held      bool        `json:"held"`
	HoldUntil time.Time   `json:"holdUntil,omitzero"`
}

// Released closes an order and gives back what was reserved for it, which may be nothing. Of an order that was paid it says
// what was paid by then and by how much that exceeds the order's total, and of one that an operator declined, who that was.
// Releases by earlier versions say neither.
type Released struct {
	OrderID    string      `json:"orderId"`
	Amount     order.Money `json:"amount"`
	Reason     string      `json:"reason"`
	DeclinedBy string      `json:"declinedBy,omitempty"`
	Paid       order.Money `json:"paid,omitempty"`     // written as USD0.00 too
	Overpaid   order.Money `json:"overpaid,omitempty"` // likewise
}

// EventType is TypeOpened.
func (Opened) EventType() string { return TypeOpened }

// EventType is TypeLimitChanged.
func (LimitChanged) EventType() string { return TypeLimitChanged }

// EventType is TypeReserved.
func (Reserved) EventType() string { return TypeReserved }

// EventType is TypeLimitExceeded.
func (LimitExceeded) EventType() string { return TypeLimitExceeded }

// EventType is TypeReleased.
func (Released) EventType() string { return TypeReleased }

// EncodeEvent writes an event's body. The same event gives the same bytes.
func EncodeEvent(event Event) ([]byte, error) {
	data, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", event.EventType(), err)
	}
	return data, nil
}

// DecodeEvent reads the body of an event of a type. Members it does not know are passed over, so that newer versions may
// add some. Errors are ErrUnknownEvent and ErrInvalidEvent.
func DecodeEvent(eventType string, data []byte) (Event, error) {
	switch eventType {
	case TypeOpened:
		return decode(data, func(e Opened) bool { return e.CustomerID != "" && known(e.Limit) })
	case TypeLimitChanged:
		return decode(data, func(e LimitChanged) bool { return e.CustomerID != "" && known(e.Limit) })
	case TypeReserved:
		return decode(data, func(e Reserved) bool { return order.ValidID(e.OrderID) && positive(e.Amount) })
	case TypeLimitExceeded:
		return decode(data, func(e LimitExceeded) bool {
			return order.ValidID(e.OrderID) && positive(e.Amount) && known(e.Available)
		})
	case TypeReleased:
		return decode(data, func(e Released) bool {
			return order.ValidID(e.OrderID) && known(e.Amount) && e.Reason != ""
		})
	default:
		return nil, fmt.Errorf("%w: %q", ErrUnknownEvent, eventType)
	}
}

func decode[E Event](data []byte, valid func(E) bool) (Event, error) {
	var event E
	if len(data) > maxEventBytes {
		return nil, fmt.Errorf("%w: %s: more than %d bytes", ErrInvalidEvent, event.EventType(), maxEventBytes)
	}
	if err := json.Unmarshal(data, &event); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalidEvent, event.EventType(), err)
	}
	if !valid(event) {
		return nil, fmt.Errorf("%w: %s: a field is missing or out of range", ErrInvalidEvent, event.EventType())
	}
	return event, nil
}

// known reports whether an amount says its currency; it was read by order.ParseMoney and so is not negative.
func known(m order.Money) bool { return m.Currency != "" && m.Minor >= 0 }

func positive(m order.Money) bool { return known(m) && m.Minor > 0 }
