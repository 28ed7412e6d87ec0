package facts

import (
	"cmp"
	"slices"
	"time"
)

// Facts is everything that was read.
type Facts struct {
	Orders   map[string]*Order   // by the order's id, which is its stream's and its workflow's name
	Accounts map[string]*Account // by customer
	Group    Group
	SetAside []string                // orders whose versions the publisher has put aside
	Views    map[string]CustomerView // by customer
	Leaks    []Leak
	Lost     []Span // in which PostgreSQL's commits were lost
	Scanned  int64  // bytes that were searched for personal data
}

// Span is a span of time.
type Span struct{ From, To time.Time }

// Covers reports whether the span, and as much as slack before and after it, holds a moment.
func (s Span) Covers(at time.Time, slack time.Duration) bool {
	return !at.Before(s.From.Add(-slack)) && !at.After(s.To.Add(slack))
}

// New is no facts yet.
func New() *Facts {
	return &Facts{Orders: map[string]*Order{}, Accounts: map[string]*Account{}, Views: map[string]CustomerView{}}
}

// Order gives what is known of an order, to add to.
func (f *Facts) Order(id string) *Order {
	o, ok := f.Orders[id]
	if !ok {
		o = &Order{ID: id}
		f.Orders[id] = o
	}
	return o
}

// Account gives what is known of a customer's account, to add to.
func (f *Facts) Account(customerID string) *Account {
	a, ok := f.Accounts[customerID]
	if !ok {
		a = &Account{CustomerID: customerID}
		f.Accounts[customerID] = a
	}
	return a
}

// Group is the subscription that hands orders to the starter.
type Group struct {
	Exists   bool
	Lag      uint64 // events above its checkpoint
	InFlight int64  // handed out and not answered
	Retrying int64
}

// Leak is a piece of personal data where none may be. What leaked is not kept.
type Leak struct {
	Where string // such as "workflow history"
	Order string // whose order it was found in, empty when it was in none
	What  string // the place in words: an event's number and type, a file's name
}

// Order is everything the stores say of one order's id.
type Order struct {
	ID      string
	Deleted bool // the stream was deleted: a person was erased, and what is missing is missing rightly

	Placed        []Placed
	Payments      []Payment
	Cancellations []Cancellation
	Parked        []Parked

	Runs        []Run // of OrderFulfillment
	Settlements []Run
	Repairs     []Run

	Row       *Row
	Versions  []Version   // by revision
	Published []Published // as they stand
	View      *OrderView
	Mails     []Mail    // the send ledger's
	Messages  []Message // the inbox's
	Credit    []CreditEvent
}

// Intruded tells whether somebody who is no publisher has written to the order's fulfilment stream.
func (o *Order) Intruded() bool {
	return slices.ContainsFunc(o.Published, func(p Published) bool { return p.Foreign })
}

// First is the event the order was placed with: the first that can be read. It is nil when there is none.
func (o *Order) First() *Placed {
	for i := range o.Placed {
		if o.Placed[i].Fault == "" {
			return &o.Placed[i]
		}
	}
	return nil
}

// Latest is the run that counts: an open one, else the one that closed last. It is nil when there is none.
func (o *Order) Latest() *Run { return latest(o.Runs) }

// Repaired tells whether a repair of the order has been completed.
func (o *Order) Repaired() bool {
	return slices.ContainsFunc(o.Repairs, func(r Run) bool { return r.Status == RunCompleted })
}

// Mail gives the ledger's row of a kind, nil when there is none.
func (o *Order) Mail(kind string) *Mail {
	for i := range o.Mails {
		if o.Mails[i].Kind == kind {
			return &o.Mails[i]
		}
	}
	return nil
}

// MessagesOf gives the inbox's messages of a kind.
func (o *Order) MessagesOf(kind string) []Message {
	var found []Message
	for _, m := range o.Messages {
		if m.Kind == kind {
			found = append(found, m)
		}
	}
	return found
}

func latest(runs []Run) *Run {
	if len(runs) == 0 {
		return nil
	}
	end := func(r Run) time.Time {
		if r.Open() {
			return time.Unix(1<<40, 0)
		}
		return r.Closed
	}
	last := slices.MaxFunc(runs, func(a, b Run) int { return cmp.Compare(end(a).UnixNano(), end(b).UnixNano()) })
	return &last
}
