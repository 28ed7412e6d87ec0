package orders

import (
	"cmp"
	"slices"
)

// Report is the outcome of a run's orders.
type Report struct {
	Orders   []Line   `json:"orders"`             // by order id
	Parked   []Parked `json:"parked"`             // by stream and event id
	Unlinked []Parked `json:"unlinked,omitempty"` // by stream and event id; the server cannot read them and delivers none of them
	Seconds  float64  `json:"seconds"`
}

// Line is one order of a report, with the same values as order.State.
type Line struct {
	OrderID    string `json:"orderId"`
	CustomerID string `json:"customerId"`
	Status     string `json:"status"`
	Reason     string `json:"reason"`
	Total      string `json:"total"`
	Credit     string `json:"credit"`
	Email      string `json:"email"`
	LastEvent  string `json:"lastEvent"`  // the type of the last published domain event; empty if there is none
	ViewAgrees bool   `json:"viewAgrees"` // the customer view agrees
}

// Parked is one event that can have no effect: it was parked, or the server left it out.
type Parked struct {
	Stream  string `json:"stream"`
	Type    string `json:"type"`
	EventID string `json:"eventId"`
	Reason  string `json:"reason"`
}

func (r *Report) sort() {
	slices.SortFunc(r.Orders, func(a, b Line) int { return cmp.Compare(a.OrderID, b.OrderID) })
	for _, events := range [][]Parked{r.Parked, r.Unlinked} {
		slices.SortFunc(events, func(a, b Parked) int {
			return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.EventID, b.EventID))
		})
	}
}
