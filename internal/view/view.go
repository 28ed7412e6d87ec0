// Package view owns the customer view: what an event of an order's, a customer's credit or a fulfilment's stream changes
// about an order and its customer. It is a pure fold, in the order of the whole log, that takes every event once however
// often it comes. Storing the view is left to internal/postgres, following the log to projector.
package view

import (
	"time"

	"orderflow/internal/order"
)

// The prefixes of the streams that the view is made of.
const (
	OrderPrefix       = "order-"
	CreditPrefix      = "credit-"
	FulfillmentPrefix = "fulfillment-"
)

// Prefixes are all of them, to follow.
func Prefixes() []string { return []string{OrderPrefix, CreditPrefix, FulfillmentPrefix} }

// None is the revision of a stream of which nothing has been taken yet.
const None int64 = -1

// Order is an order as its streams tell it.
type Order struct {
	OrderID        string
	CustomerID     string
	Status         order.Status
	Reason         order.Reason
	Total          order.Money // of no currency until somebody said it
	Credit         order.Credit
	Carrier        string
	TrackingNumber string
	PlacedAt       time.Time // zero until somebody said it
	UpdatedAt      time.Time // when the last event that changed something was written

	OrderRevision       int64 // the last event taken of order-<id>
	CreditRevision      int64 // of the customer's credit stream, the last event about this order
	FulfillmentRevision int64 // of fulfillment-<order id>
}

// Customer is a credit account as its stream tells it.
type Customer struct {
	CustomerID string
	Limit      order.Money // of no currency until the account is opened
	Reserved   int64       // the sum of open reservations, in minor units of the limit's currency
	Revision   int64       // the last event taken of credit-<customer id>
	UpdatedAt  time.Time
}

// Available is what can still be reserved by the rule, in minor units: never less than 0.
func (c Customer) Available() int64 { return max(0, c.Limit.Minor-c.Reserved) }

// Rows are the orders and customers that some changes are about. What is not stored yet is not in it.
type Rows struct {
	Orders    map[string]*Order
	Customers map[string]*Customer
}

func (r Rows) order(orderID, customerID string) *Order {
	o, there := r.Orders[orderID]
	if !there {
		o = &Order{
			OrderID: orderID, CustomerID: customerID, Status: order.StatusPending, Credit: order.CreditNone,
			OrderRevision: None, CreditRevision: None, FulfillmentRevision: None,
		}
		r.Orders[orderID] = o
	}
	return o
}

func (r Rows) customer(id string) *Customer {
	c, there := r.Customers[id]
	if !there {
		c = &Customer{CustomerID: id, Revision: None}
		r.Customers[id] = c
	}
	return c
}
