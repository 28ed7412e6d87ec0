package view

import (
	"strings"
	"time"

	"orderflow/internal/correlation"
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
	Metadata    []byte
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
	fulfilled *fulfillment.Event
	placedAt  time.Time // of a fulfillment's order
	trace     correlation.Trace
	eventType string
}

// Source returns the type of the event and what led to it, as far as it is known: that of
// a credit event is not read.
func (c Change) Source() (eventType string, from correlation.Trace) { return c.eventType, c.trace }

// Decode returns the change that an event makes. It returns false for an event that does
// not concern the view or cannot be decoded: such an event had no effect elsewhere
// either, and must not stop the view.
func Decode(e Event) (Change, bool) {
	c := Change{revision: int64(e.Revision), written: e.Written, eventType: e.Type}
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
	if !order.IsPlaced(e.Type) {
		return c, false
	}
	placed, err := order.DecodePlaced(e.Stream, e.ContentType, e.Data)
	if err != nil {
		return c, false // the starter parked it
	}
	c.OrderID, c.placed, c.trace = placed.OrderID, &placed, correlation.Decode(e.Metadata)
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
	event, placedAt, err := fulfillment.DecodeCurrent(e.Data)
	if err != nil || fulfillment.Stream(event.OrderID) != e.Stream || !storable(event, placedAt) {
		return c, false
	}
	c.OrderID, c.fulfilled, c.placedAt, c.trace = event.OrderID, &event, placedAt, correlation.Decode(e.Metadata)
	return c, true
}

// storable reports whether the event can describe a fulfillment, be stored in the view's
// tables, and be shown as JSON. The time may be missing.
func storable(f fulfillment.Event, placedAt time.Time) bool {
	return order.ValidID(f.OrderID) && order.ValidIdentifier(f.CustomerID) &&
		fulfillment.ValidStatus(f.Status) && f.Total.Minor >= 0 && (placedAt.IsZero() || order.ValidTime(placedAt)) &&
		order.ValidText(string(f.Reason)) && order.ValidText(f.Carrier) && order.ValidText(f.TrackingNumber)
}
