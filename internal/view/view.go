// Package view implements the customer view: what an event of an order's, a credit
// account's or a fulfillment's stream changes about an order and its customer. It is a
// pure fold in the order of the $all log, and applies each event once however often it is
// delivered. Package postgres stores the view, and the projector reads the log.
package view

import (
	"time"

	"orderflow/internal/correlation"
	"orderflow/internal/credit"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// Prefixes returns the prefixes of the streams that the view is built from.
func Prefixes() []string {
	return []string{order.StreamPrefix, credit.StreamPrefix, fulfillment.StreamPrefix}
}

// None is the revision of a stream without applied events.
const None int64 = -1

// Statuses returns the statuses that an order has in the view. Cancelling is not among them:
// no event says that a cancellation has begun.
func Statuses() []order.Status {
	return []order.Status{
		order.StatusPending, order.StatusOnHold, order.StatusFulfilling, order.StatusShipped, order.StatusRejected, order.StatusCancelled,
	}
}

// Order is the view of an order.
type Order struct {
	OrderID    string
	CustomerID string
	Status     order.Status
	Reason     order.Reason
	Total      order.Money // without a currency until it is known
	Credit     order.Credit
	order.Shipment
	Parcels   int // that have left
	Trace     correlation.Trace
	PlacedAt  time.Time // zero until it is known
	UpdatedAt time.Time // the time of the last event that changed the order
	HoldUntil time.Time // the end of the hold of an order on hold, if its account says so; zero otherwise

	OrderRevision       int64 // the last event applied of order-<id>
	CreditRevision      int64 // the last event applied of the customer's credit stream about this order
	FulfillmentRevision int64 // of fulfillment-<order id>
}

// Customer is the view of a credit account.
type Customer struct {
	CustomerID string
	Limit      order.Money // without a currency until the account is opened
	Reserved   int64       // the sum of open reservations, in minor units of the limit's currency
	Revision   int64       // the last event applied of credit-<customer id>
	UpdatedAt  time.Time
}

// Rows are the orders and customers of some changes. A row that is not stored yet is
// missing.
type Rows struct {
	Orders    map[string]*Order
	Customers map[string]*Customer
}

func (r Rows) order(orderID, customerID string) *Order {
	o, found := r.Orders[orderID]
	if !found {
		o = &Order{
			OrderID: orderID, CustomerID: customerID, Status: order.StatusPending, Credit: order.CreditNone,
			OrderRevision: None, CreditRevision: None, FulfillmentRevision: None,
		}
		r.Orders[orderID] = o
	}
	return o
}

func (r Rows) customer(id string) *Customer {
	c, found := r.Customers[id]
	if !found {
		c = &Customer{CustomerID: id, Revision: None}
		r.Customers[id] = c
	}
	return c
}
