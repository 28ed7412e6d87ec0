package view

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// Event is an event of the log.
type Event struct {
	Stream      string
	Revision    uint64
	Type        string
	ContentType string
	Data        []byte
	Written     time.Time
}

// Change is what an event says about an order or a customer, or both.
type Change struct {
	OrderID    string // empty when it is about none
	CustomerID string // empty when no customer's row is touched

	revision  int64
	written   time.Time
	placed    *order.Placed
	decided   credit.Event
	fulfilled *fulfilled
}

// fulfilled is the domain event of a fulfilment's version, as far as the view needs it.
type fulfilled struct {
	OrderID        string       `json:"orderId"`
	CustomerID     string       `json:"customerId"`
	Status         order.Status `json:"status"`
	Reason         order.Reason `json:"reason"`
	Total          order.Money  `json:"total"`
	Carrier        string       `json:"carrier"`
	TrackingNumber string       `json:"trackingNumber"`
	New            struct {
		PlacedAt time.Time `json:"placed_at"`
	} `json:"new"`
}

// Decode reads what an event says. One that says nothing to the view, or cannot be understood, gives false: it can have had
// no effect elsewhere either, and must not keep the view from what comes after it.
func Decode(e Event) (Change, bool) {
	c := Change{revision: int64(e.Revision), written: e.Written}
	switch {
	case strings.HasPrefix(e.Stream, OrderPrefix):
		return c.order(e)
	case strings.HasPrefix(e.Stream, CreditPrefix):
		return c.credit(e)
	case strings.HasPrefix(e.Stream, FulfillmentPrefix):
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
		return c, false // it was parked
	}
	c.OrderID, c.placed = placed.OrderID, &placed
	return c, true
}

func (c Change) credit(e Event) (Change, bool) {
	event, err := credit.DecodeEvent(e.Type, e.Data)
	if err != nil {
		return c, false
	}
	c.CustomerID, c.decided = strings.TrimPrefix(e.Stream, CreditPrefix), event
	if !order.ValidIdentifier(c.CustomerID) {
		return c, false
	}
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
	var f fulfilled
	if json.Unmarshal(e.Data, &f) != nil || FulfillmentPrefix+f.OrderID != e.Stream || !f.valid() {
		return c, false
	}
	c.OrderID, c.fulfilled = f.OrderID, &f
	return c, true
}

// valid refuses what no fulfilment can be, and what no table takes.
func (f fulfilled) valid() bool {
	return order.ValidID(f.OrderID) && order.ValidIdentifier(f.CustomerID) &&
		(f.Status == order.StatusFulfilling || f.Status.Final()) && f.Total.Minor >= 0 &&
		plain(string(f.Reason)) && plain(f.Carrier) && plain(f.TrackingNumber)
}

// maxText bounds a text of the view, in bytes.
const maxText = 1 << 10

func plain(text string) bool {
	return len(text) <= maxText && utf8.ValidString(text) && !strings.ContainsRune(text, 0)
}
