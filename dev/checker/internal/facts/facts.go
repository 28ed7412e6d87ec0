package facts

import (
	"cmp"
	"slices"
	"time"
)

// Facts is everything that was read.
type Facts struct {
	Orders   map[string]*Order   // by order id, which is also the name of its stream and the id of its workflow
	Accounts map[string]*Account // by customer
	Group    Group
	SetAside []string                // orders whose versions the publisher has set aside
	Views    map[string]CustomerView // by customer
	Counts   []WrongCount            // of the view's orders by status
	Leaks    []Leak
	Lost     []Span // spans in which PostgreSQL's commits were lost
	Rewound  []Span // spans in which KurrentDB's events were lost
	Scanned  int64  // bytes searched for personal data
}

// Span is a span of time.
type Span struct{ From, To time.Time }

// Covers reports whether the span, extended by slack on both sides, contains a moment.
func (s Span) Covers(at time.Time, slack time.Duration) bool {
	return !at.Before(s.From.Add(-slack)) && !at.After(s.To.Add(slack))
}

// New returns empty Facts.
func New() *Facts {
	return &Facts{Orders: map[string]*Order{}, Accounts: map[string]*Account{}, Views: map[string]CustomerView{}}
}

// Order returns the entry of an order, and creates it if necessary.
func (f *Facts) Order(id string) *Order {
	o, ok := f.Orders[id]
	if !ok {
		o = &Order{ID: id}
		f.Orders[id] = o
	}
	return o
}

// Account returns the entry of a customer's account, and creates it if necessary.
func (f *Facts) Account(customerID string) *Account {
	a, ok := f.Accounts[customerID]
	if !ok {
		a = &Account{CustomerID: customerID}
		f.Accounts[customerID] = a
	}
	return a
}

// Group is the subscription that delivers orders to the starter.
type Group struct {
	Exists   bool
	Lag      uint64 // events above its checkpoint
	InFlight int64  // delivered and not acknowledged
	Retrying int64
}

// Leak is personal data in a place that must not contain any. The data itself is not
// kept.
type Leak struct {
	Where string // such as "workflow history"
	Order string // the order it was found in, if any
	What  string // the position, such as an event's number and type, or a file name
}

// Order is everything the stores hold about one order id.
type Order struct {
	ID      string
	Deleted bool // the stream was deleted because a person was erased, so missing data is expected

	Placed        []Placed
	Payments      []Payment
	Cancellations []Cancellation
	Instructions  []Instruction
	Parked        []Parked // events of its stream
	ParkedOther   []Parked // events of its stream of decisions about credit

	Runs        []Run // of OrderFulfillment
	Settlements []Run
	Repairs     []Run

	Row       *Row
	Versions  []Version   // by revision
	Published []Published // in stream order
	View      *OrderView
	Mails     []Mail    // of the email ledger
	Messages  []Message // of the inbox

	Suppressed  *time.Time // since when its address takes no more email, if an email of the order showed it
	EmailEvents []EmailEvent

	Credit []CreditEvent
}

// HasForeignEvents reports whether a program other than the publisher has written to the
// order's fulfillment stream.
func (o *Order) HasForeignEvents() bool {
	return slices.ContainsFunc(o.Published, func(p Published) bool { return p.Foreign })
}

// First returns the event that placed the order: the first that can be decoded. It
// returns nil if there is none.
func (o *Order) First() *Placed {
	for i := range o.Placed {
		if o.Placed[i].Fault == "" {
			return &o.Placed[i]
		}
	}
	return nil
}

// Latest returns the run that counts: an open one, or the one that closed last. It
// returns nil if there is none.
func (o *Order) Latest() *Run { return latest(o.Runs) }

// Repaired reports whether a repair of the order has been completed.
func (o *Order) Repaired() bool {
	return slices.ContainsFunc(o.Repairs, func(r Run) bool { return r.Status == RunCompleted })
}

// Mail returns the ledger's row of a kind, or nil if there is none.
func (o *Order) Mail(kind string) *Mail {
	for i := range o.Mails {
		if o.Mails[i].Kind == kind {
			return &o.Mails[i]
		}
	}
	return nil
}

// MessagesOf returns the inbox's messages of a kind.
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
