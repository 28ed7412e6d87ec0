package view

import (
	"cmp"
	"math"
	"time"

	"orderflow/internal/correlation"
	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// Apply applies a change to the rows, which must contain the stored rows of its order and
// customer. A change that was applied before does nothing.
func (r Rows) Apply(c Change) {
	switch {
	case c.placed != nil:
		r.applyPlaced(c)
	case c.decided != nil:
		r.applyCredit(c)
	case c.fulfilled != nil:
		r.applyFulfillment(c)
	}
}

// applyPlaced applies the first order-placed event of a stream that can be decoded. Later
// ones are duplicates.
func (r Rows) applyPlaced(c Change) {
	o := r.order(c.OrderID, c.placed.CustomerID)
	if o.OrderRevision != None {
		return
	}
	o.OrderRevision = c.revision
	o.CustomerID, o.Total, o.PlacedAt = c.placed.CustomerID, c.placed.Total, c.placed.PlacedAt
	o.Trace = correlation.Trace{CorrelationID: c.trace.CorrelationID, Traceparent: cmp.Or(c.trace.Traceparent, o.Trace.Traceparent)}.Or(c.OrderID)
	o.setUpdatedAt(c)
}

// applyCredit applies an event of a credit account. The account's revision guards the
// order too, because both rows are stored together.
func (r Rows) applyCredit(c Change) {
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
		o.applyCredit(c, account)
		o.setUpdatedAt(c)
	}
}

// reserve adds to the reserved sum and keeps it between 0 and the largest integer. Beyond
// that the account's history is broken, which package credit reports.
func (c *Customer) reserve(minor int64) {
	if minor > 0 && c.Reserved > math.MaxInt64-minor {
		c.Reserved = math.MaxInt64
		return
	}
	c.Reserved = max(0, c.Reserved+minor)
}

// applyCredit updates the order's claim on its customer's credit. Once there is a
// fulfillment, only the fulfillment sets the order's status.
func (o *Order) applyCredit(c Change, account *Customer) {
	status, reason, until := order.StatusPending, order.Reason(""), time.Time{}
	switch event := c.decided.(type) {
	case credit.Reserved:
		o.Credit = order.CreditReserved
		o.Total = cmp.Or(o.Total, event.Amount)
	case credit.LimitExceeded:
		o.Credit = order.CreditRefused
		if event.Held {
			o.Credit, status, reason = order.CreditHeld, order.StatusOnHold, credit.ReasonExceeded(account.Limit, event.Amount)
			until = holdEnd(event.HoldUntil)
		}
		o.Total = cmp.Or(o.Total, event.Amount)
	case credit.Released:
		// A release before any reservation releases nothing, except that a payment
		// settles the order.
		paidFirst := event.Reason == credit.ReasonPaid && o.Credit == order.CreditNone
		if event.Amount.Minor > 0 || o.Credit == order.CreditHeld || paidFirst {
			o.Credit = order.CreditReleased
		}
	}
	if o.FulfillmentRevision == None {
		o.Status, o.Reason, o.HoldUntil = status, reason, until
	}
}

// holdEnd returns the end of a hold, or zero if it cannot be stored.
func holdEnd(t time.Time) time.Time {
	if !order.ValidTime(t) {
		return time.Time{}
	}
	return t
}

// applyFulfillment applies a version of the fulfillment.
func (r Rows) applyFulfillment(c Change) {
	f := c.fulfilled
	o := r.order(c.OrderID, f.CustomerID)
	if c.revision <= o.FulfillmentRevision {
		return
	}
	o.FulfillmentRevision = c.revision
	o.Status, o.Reason, o.Shipment, o.HoldUntil = f.Status, f.Reason, f.Shipment, time.Time{}
	o.Parcels = len(f.Parcels)
	if o.Parcels == 0 && f.Status == order.StatusShipped {
		o.Parcels = 1 // the order as a whole
	}
	o.Trace = correlation.Trace{
		CorrelationID: cmp.Or(o.Trace.CorrelationID, c.trace.CorrelationID), Traceparent: cmp.Or(o.Trace.Traceparent, c.trace.Traceparent),
	}
	if o.OrderRevision == None { // the order's stream was erased, or the order cannot be decoded
		o.CustomerID, o.Total, o.PlacedAt = f.CustomerID, f.Total, c.placedAt
	}
	o.setUpdatedAt(c)
}

func (o *Order) setUpdatedAt(c Change) {
	if c.written.After(o.UpdatedAt) {
		o.UpdatedAt = c.written
	}
}
