package view

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"orderflow/internal/credit"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// Event is an event of the $all log.
type Event struct {
	Stream      string
	Revision    uint64
	Type        string
	ContentType string
	Data        []byte
	Written     time.Time
}

// Change is what an event changes about an order or a customer, or both.
type Change struct {
	OrderID    string // empty if it concerns no order
	CustomerID string // empty if no customer's row changes

	revision  int64
	written   time.Time
	placed    *order.Placed
	decided   credit.Event
	fulfilled *fulfillmentEvent
}

// fulfillmentEvent is the domain event of a fulfillment's version, with the members the
// view needs.
type fulfillmentEvent struct {
	OrderID    string       `json:"orderId"`
	CustomerID string       `json:"customerId"`
	Status     order.Status `json:"status"`
	Reason     order.Reason `json:"reason"`
	Total      order.Money  `json:"total"`
	order.Shipment
	New struct {
		PlacedAt time.Time `json:"placed_at"`
	} `json:"new"`
}

// Decode returns the change that an event makes. It returns false for an event that does
// not concern the view or cannot be decoded: such an event had no effect elsewhere
// either, and must not stop the view.
func Decode(e Event) (Change, bool) {
	c := Change{revision: int64(e.Revision), written: e.Written}
	switch {
	case strings.HasPrefix(e.Stream, order.StreamPrefix):
		return c.order(e)
	case strings.HasPrefix(e.Stream, credit.StreamPrefix):
		return c.credit(e)
	case strings.HasPrefix(e.Stream, fulfillment.StreamPrefix):
		return c.fulfillment(e)
	default:
		return c, false
	}
}

func (c Change) order(e Event) (Change, bool) {
	if e.Type != order.TypePlaced && e.Type != order.TypePlacedAlias {
		return c, false
	}
	placed, err := order.DecodePlaced(e.Stream, e.ContentType, e.Data)
	if err != nil {
		return c, false // the starter parked it
	}
	c.OrderID, c.placed = placed.OrderID, &placed
	return c, true
}

func (c Change) credit(e Event) (Change, bool) {
	event, err := credit.DecodeEvent(e.Type, e.Data)
	if err != nil {
		return c, false
	}
	customer, ok := credit.CustomerOf(e.Stream)
	if !ok {
		return c, false
	}
	c.CustomerID, c.decided = customer, event
	switch event := event.(type) {
	case credit.Reserved:
		c.OrderID = event.OrderID
	case credit.LimitExceeded:
		c.OrderID = event.OrderID
	case credit.Released:
		c.OrderID = event.OrderID
	}
	return c, c.OrderID == "" || order.ValidID(c.OrderID)
}

func (c Change) fulfillment(e Event) (Change, bool) {
	var f fulfillmentEvent
	if json.Unmarshal(e.Data, &f) != nil || fulfillment.Stream(f.OrderID) != e.Stream || !f.valid() {
		return c, false
	}
	c.OrderID, c.fulfilled = f.OrderID, &f
	return c, true
}

// valid reports whether the event can describe a fulfillment and be stored in the view's
// tables.
func (f fulfillmentEvent) valid() bool {
	return order.ValidID(f.OrderID) && order.ValidIdentifier(f.CustomerID) &&
		(f.Status == order.StatusFulfilling || f.Status.Final()) && f.Total.Minor >= 0 &&
		validText(string(f.Reason)) && validText(f.Carrier) && validText(f.TrackingNumber)
}

// maxText limits a text of the view, in bytes.
const maxText = 1 << 10

func validText(text string) bool {
	return len(text) <= maxText && utf8.ValidString(text) && !strings.ContainsRune(text, 0)
}
