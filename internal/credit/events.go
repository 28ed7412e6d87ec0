package credit

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"orderflow/internal/order"
)

// ErrUnknownEvent is returned for an event on a credit stream whose type this version
// does not know. The account cannot be folded without it.
var ErrUnknownEvent = errors.New("unknown credit event")

// ErrInvalidEvent is returned for an event body that this package cannot have written. It
// wraps ErrHistory.
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

// Event is one event of a credit account: Opened, LimitChanged, Reserved, LimitExceeded
// or Released.
type Event interface {
	// EventType returns the type under which the event is stored.
	EventType() string
}

// Opened opens an account. Its limit fixes the account's currency.
type Opened struct {
	CustomerID string      `json:"customerId"`
	Limit      order.Money `json:"limit"`
}

// LimitChanged changes the limit, in the same currency. Open reservations remain, even
// above it.
type LimitChanged struct {
	CustomerID string      `json:"customerId"`
	Limit      order.Money `json:"limit"`
}

// Reserved reserves an amount of the available credit. ApprovedBy is the operator who
// approved it outside the rule. FreedBy is set for an order on hold that a review reserved
// by the rule: the id of the event that raised the limit or released the credit of another
// order.
type Reserved struct {
	OrderID    string      `json:"orderId"`
	Amount     order.Money `json:"amount"`
	ApprovedBy string      `json:"approvedBy,omitempty"`
	FreedBy    string      `json:"freedBy,omitempty"`
}

// LimitExceeded records that an order was not reserved: it is held for an operator to
// approve until HoldUntil, or refused. Held orders recorded by earlier versions have no
// HoldUntil.
type LimitExceeded struct {
	OrderID   string      `json:"orderId"`
	Amount    order.Money `json:"amount"`
	Available order.Money `json:"available"`
	Held      bool        `json:"held"`
	HoldUntil time.Time   `json:"holdUntil,omitzero"`
}

// Released closes an order and frees the amount reserved for it, which may be 0. For a
// paid order it records the amount paid by then, and by how much that exceeds the order's
// total. For a declined order it records the operator who declined it. Releases by
// earlier versions record neither.
type Released struct {
	OrderID    string      `json:"orderId"`
	Amount     order.Money `json:"amount"`
	Reason     string      `json:"reason"`
	DeclinedBy string      `json:"declinedBy,omitempty"`
	Paid       order.Money `json:"paid,omitempty"`     // also written if it is USD0.00
	Overpaid   order.Money `json:"overpaid,omitempty"` // likewise
}

// EventType returns TypeOpened.
func (Opened) EventType() string { return TypeOpened }

// EventType returns TypeLimitChanged.
func (LimitChanged) EventType() string { return TypeLimitChanged }

// EventType returns TypeReserved.
func (Reserved) EventType() string { return TypeReserved }

// EventType returns TypeLimitExceeded.
func (LimitExceeded) EventType() string { return TypeLimitExceeded }

// EventType returns TypeReleased.
func (Released) EventType() string { return TypeReleased }

// EncodeEvent encodes an event's body. Equal events have equal encodings.
func EncodeEvent(event Event) ([]byte, error) {
	data, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", event.EventType(), err)
	}
	return data, nil
}

// DecodeEvent decodes the body of an event of the given type. It ignores unknown members,
// so that newer versions may add some. It returns ErrUnknownEvent or ErrInvalidEvent.
func DecodeEvent(eventType string, data []byte) (Event, error) {
	switch eventType {
	case TypeOpened:
		return decode(data, func(e Opened) bool { return e.CustomerID != "" && validAmount(e.Limit) })
	case TypeLimitChanged:
		return decode(data, func(e LimitChanged) bool { return e.CustomerID != "" && validAmount(e.Limit) })
	case TypeReserved:
		return decode(data, func(e Reserved) bool { return order.ValidID(e.OrderID) && positive(e.Amount) })
	case TypeLimitExceeded:
		return decode(data, func(e LimitExceeded) bool {
			return order.ValidID(e.OrderID) && positive(e.Amount) && validAmount(e.Available)
		})
	case TypeReleased:
		return decode(data, func(e Released) bool {
			return order.ValidID(e.OrderID) && validAmount(e.Amount) && e.Reason != ""
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

// validAmount reports whether an amount has a currency and is not negative. An amount
// read by order.ParseMoney is never negative.
func validAmount(m order.Money) bool { return m.Currency != "" && m.Minor >= 0 }

func positive(m order.Money) bool { return validAmount(m) && m.Minor > 0 }
