package orders

import (
	"cmp"
	"slices"
)

// Report is what became of a run's orders.
type Report struct {
	Orders   []Line   `json:"orders"`             // by order id
	Parked   []Parked `json:"parked"`             // by stream and event id
	Unlinked []Parked `json:"unlinked,omitempty"` // by stream and event id; the server cannot read them and delivers none of them
	Seconds  float64  `json:"seconds"`
}

// Line is one order of a report, in the words of its state.
type Line struct {
	OrderID    string `json:"orderId"`
	CustomerID string `json:"customerId"`
	Status     string `json:"status"`
	Reason     string `json:"reason"`
	Total      string `json:"total"`
	Credit     string `json:"credit"`
	Email      string `json:"email"`
	LastEvent  string `json:"lastEvent"`  // the type of the last domain event that was published; empty when there is none
	ViewAgrees bool   `json:"viewAgrees"` // the customer view says the same
}

// Parked is one event that can have no effect: it was put aside, or left out by the server.
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
