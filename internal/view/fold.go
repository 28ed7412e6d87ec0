package view

import (
	"cmp"
	"math"

	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// Apply takes a change into the rows, which must hold the order and the customer it is about if they are stored. A change
// that was taken before does nothing.
func (r Rows) Apply(c Change) {
	switch {
	case c.placed != nil:
		r.place(c)
	case c.decided != nil:
		r.decide(c)
	case c.fulfilled != nil:
		r.fulfil(c)
	}
}

// place takes the first order-placed event of a stream that can be understood. Another one is another's duplicate.
func (r Rows) place(c Change) {
	o := r.order(c.OrderID, c.placed.CustomerID)
	if o.OrderRevision != None {
		return
	}
	o.OrderRevision = c.revision
	o.CustomerID, o.Total, o.PlacedAt = c.placed.CustomerID, c.placed.Total, c.placed.PlacedAt
	o.touch(c)
}

// decide takes an event of a credit account. The account's revision guards the order too: they are stored together.
func (r Rows) decide(c Change) {
	account := r.customer(c.CustomerID)
	if c.revision <= account.Revision {
		return
	}
	account.Revision = c.revision
	account.UpdatedAt = c.written
	switch event := c.decided.(type) {
	case credit.Opened:
		account.Limit = event.Limit
	case credit.LimitChanged:
		account.Limit = event.Limit
	case credit.Reserved:
		account.reserve(event.Amount.Minor)
	case credit.Released:
		account.reserve(-event.Amount.Minor)
	}
	if c.OrderID != "" {
		o := r.order(c.OrderID, c.CustomerID)
		o.CreditRevision = c.revision
		o.decide(c, account)
		o.touch(c)
	}
}

// reserve keeps the sum between nothing and what can be counted: beyond that the account's history is broken, which is
// for the account to say.
func (c *Customer) reserve(minor int64) {
	if minor > 0 && c.Reserved > math.MaxInt64-minor {
		c.Reserved = math.MaxInt64
		return
	}
	c.Reserved = max(0, c.Reserved+minor)
}

// decide notes what became of the order's claim on its customer's credit. Once there is a fulfilment, that alone says
// where the order stands.
func (o *Order) decide(c Change, account *Customer) {
	status, reason := order.StatusPending, order.Reason("")
	switch event := c.decided.(type) {
	case credit.Reserved:
		o.Credit = order.CreditReserved
		o.Total = cmp.Or(o.Total, event.Amount)
	case credit.LimitExceeded:
		o.Credit = order.CreditRefused
		if event.Held {
			o.Credit, status, reason = order.CreditHeld, order.StatusOnHold, account.whyHeld()
		}
		o.Total = cmp.Or(o.Total, event.Amount)
	case credit.Released:
		// Nothing is given back by a release that came before any reservation, except that a payment settles the order.
		paidFirst := event.Reason == credit.ReasonPaid && o.Credit == order.CreditNone
		if event.Amount.Minor > 0 || o.Credit == order.CreditHeld || paidFirst {
			o.Credit = order.CreditReleased
		}
	}
	if o.FulfillmentRevision == None {
		o.Status, o.Reason = status, reason
	}
}

// whyHeld tells why an order is held: the event does not, since the account's state does.
func (c *Customer) whyHeld() order.Reason {
	if c.Limit.Currency == "" {
		return order.ReasonUnknownCustomer
	}
	return order.ReasonInsufficientCredit
}

// fulfil takes a version of the fulfilment.
func (r Rows) fulfil(c Change) {
	f := c.fulfilled
	o := r.order(c.OrderID, f.CustomerID)
	if c.revision <= o.FulfillmentRevision {
		return
	}
	o.FulfillmentRevision = c.revision
	o.Status, o.Reason, o.Carrier, o.TrackingNumber = f.Status, f.Reason, f.Carrier, f.TrackingNumber
	if o.OrderRevision == None { // the order's stream was erased, or the order is not readable
		o.CustomerID, o.Total, o.PlacedAt = f.CustomerID, f.Total, f.New.PlacedAt
	}
	o.touch(c)
}

func (o *Order) touch(c Change) {
	if c.written.After(o.UpdatedAt) {
		o.UpdatedAt = c.written
	}
}
