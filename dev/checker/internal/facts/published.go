package facts

import "orderflow/internal/order"

// Published is one event of an order's fulfillment stream: a published version.
type Published struct {
	Revision uint64 // in the stream
	Version  int64  // from the body
	Type     string
	Foreign  bool   // no version has such a type: another program has written to the stream
	Old, New string // Image.Digest of the images in the body
	Fault    string // what is wrong with the body

	CustomerID string
	Status     order.Status
	Total      order.Money
	Parcels    int
	Causation  string
}

// CustomerView is a row of customer_view.
type CustomerView struct {
	Limit     order.Money
	Reserved  int64
	Available int64
	Revision  int64 // of the credit stream
}

// WrongCount is a count of the view's orders that differs from their number.
type WrongCount struct {
	Status          string
	Counted, Orders int64
}

// OrderView is a row of customer_order.
type OrderView struct {
	CustomerID          string
	Status              order.Status
	Total               order.Money
	Parcels             int
	FulfillmentRevision int64
}
