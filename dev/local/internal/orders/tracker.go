package orders

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/dev/sampledata"
	"orderflow/internal/email"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/serverjson"
)

const (
	// askAtOnce bounds the questions under way: each takes the worker's time, which the orders need.
	askAtOnce = 8

	// askEachTime bounds the orders asked about in one look, for the same reason. The next look goes on behind them.
	askEachTime = 32

	// orderPrefix is what names a stream of the category that the bridge reads.
	orderPrefix = "order-"
)

// StateSource asks where an order stands, and is ErrUnknown when nobody knows. The real one is States.
type StateSource interface {
	State(ctx context.Context, orderID string) (order.State, error)
}

// ParkedSource lists the events that a group has put aside. The real one is kurrent.Client.
type ParkedSource interface {
	Parked(ctx context.Context, stream, group string, visit func(kurrent.Parked) error) error
}

// Tracker follows the orders of one run until each has come to where it rests. It is not safe for concurrent use.
type Tracker struct {
	states        StateSource
	outs          OutSource
	parking       ParkedSource
	stream, group string

	orders   map[string]*followed
	sequence []string         // the orders, in the order they were noted
	next     int              // where in the sequence the next look begins
	types    map[event]string // of this run's events on order streams
	hopeless []event          // they cannot but be parked
	parked   map[event]Parked
	unlinked map[event]Parked // the server leaves them out of the stream that the group reads
}

// event is one event of the run: an id may stand on two streams.
type event struct{ stream, id string }

// followed is one order on its way.
type followed struct {
	placed   []event // that place it: one is taken, any other is parked as a duplicate
	cancels  []event // requests to cancel it
	expected Line    // what is known of it beforehand
	known    bool    // somebody knows it
	state    order.State
	out      Out
	settled  bool
}

// NewTracker makes one for the events that the group reads from the stream.
func NewTracker(states StateSource, outs OutSource, parking ParkedSource, stream, group string) *Tracker {
	return &Tracker{
		states: states, outs: outs, parking: parking, stream: stream, group: group,
		orders: map[string]*followed{}, types: map[event]string{}, parked: map[event]Parked{},
		unlinked: map[event]Parked{},
	}
}

// Note takes the events of a stream into the run.
func (t *Tracker) Note(s sampledata.Stream) {
	if !strings.HasPrefix(s.Name, orderPrefix) {
		return
	}
	for _, e := range s.Events {
		t.note(s.Name, e)
	}
}

func (t *Tracker) note(stream string, e sampledata.Event) {
	var err error
	this := event{stream, e.ID}
	switch e.Type {
	case order.TypePlaced, order.TypePlacedAlias:
		var placed order.Placed
		if placed, err = order.DecodePlaced(stream, e.ContentType, e.Data); err == nil {
			t.follow(stream).place(this, placed)
		}
	case order.TypeCancellationRequested:
		if _, err = order.DecodeCancellation(stream, e.ContentType, e.Data); err == nil {
			o := t.follow(stream)
			o.cancels = append(o.cancels, this)
		}
	case order.TypePaid:
		_, err = order.DecodePaid(stream, e.ContentType, e.Data)
	default:
		return
	}
	t.types[this] = e.Type
	if err == nil {
		return
	}
	if unreadable := serverjson.Check(e.Data); unreadable != nil && e.ContentType == sampledata.ContentTypeJSON {
		t.unlinked[this] = Parked{Stream: stream, Type: e.Type, EventID: e.ID, Reason: unreadable.Error()}
		return
	}
	t.hopeless = append(t.hopeless, this)
}

func (t *Tracker) follow(orderID string) *followed {
	o, there := t.orders[orderID]
	if !there {
		o = &followed{expected: Line{
			OrderID: orderID, Status: string(order.StatusPending), Credit: string(order.CreditNone), Email: string(email.StatusNone),
		}}
		t.orders[orderID] = o
		t.sequence = append(t.sequence, orderID)
	}
	return o
}

func (o *followed) place(this event, placed order.Placed) {
	if slices.Contains(o.placed, this) {
		return
	}
	if len(o.placed) == 0 {
		o.expected.CustomerID, o.expected.Total = placed.CustomerID, placed.Total.String()
	}
	o.placed = append(o.placed, this)
}

// Progress tells in a line how far the run is.
func (t *Tracker) Progress() string {
	text := fmt.Sprintf("%d of %d orders are at rest", t.countSettled(), len(t.orders))
	if len(t.hopeless) > 0 {
		text += fmt.Sprintf(", %d of %d unusable events are parked", t.countParked(t.hopeless), len(t.hopeless))
	}
	return text
}

// Settled tells whether every order is where it rests and every hopeless event is parked.
func (t *Tracker) Settled() bool {
	return t.countSettled() == len(t.orders) && t.countParked(t.hopeless) == len(t.hopeless)
}

func (t *Tracker) countSettled() (n int) {
	for _, o := range t.orders {
		if o.settled {
			n++
		}
	}
	return n
}

// Look asks about some of the orders that are still on their way; repeated, it comes to all of them in turn. An answer
// that does not come now may come next time: errors are for the one who waits in vain.
func (t *Tracker) Look(ctx context.Context) error {
	return t.look(ctx, askEachTime)
}

// LookAtAll asks about every order that is still on its way.
func (t *Tracker) LookAtAll(ctx context.Context) error {
	return t.look(ctx, len(t.sequence))
}

func (t *Tracker) look(ctx context.Context, most int) error {
	errs := []error{t.ask(ctx, t.turn(most))}
	if !t.Settled() {
		errs = append(errs, t.lookAtParked(ctx))
	}
	for _, o := range t.orders {
		o.settled = o.settled || t.rests(o)
	}
	return errors.Join(errs...)
}

// turn picks the orders whose turn it is.
func (t *Tracker) turn(most int) []string {
	var picked []string
	for range t.sequence {
		id := t.sequence[t.next%len(t.sequence)]
		t.next = (t.next + 1) % len(t.sequence)
		if !t.orders[id].settled {
			picked = append(picked, id)
		}
		if len(picked) == most {
			break
		}
	}
	return picked
}

func (t *Tracker) ask(ctx context.Context, ids []string) error {
	var group errgroup.Group
	group.SetLimit(askAtOnce)
	var mu sync.Mutex
	for _, id := range ids {
		group.Go(func() error {
			state, err := t.states.State(ctx, id)
			if errors.Is(err, ErrUnknown) {
				return nil
			}
			if err != nil {
				return err
			}
			out, err := t.outs.Out(ctx, state)
			mu.Lock()
			defer mu.Unlock()
			o := t.orders[id]
			o.known, o.state, o.out = true, state, out
			return err
		})
	}
	return group.Wait()
}

// lookAtParked picks this run's events from what the group has put aside. Who may not read that list learns nothing.
func (t *Tracker) lookAtParked(ctx context.Context) error {
	err := t.parking.Parked(ctx, t.stream, t.group, func(p kurrent.Parked) error {
		if p.Event == nil {
			return nil
		}
		this := event{p.Stream, p.Event.ID.String()}
		if kind, ours := t.types[this]; ours {
			t.parked[this] = Parked{Stream: this.stream, Type: kind, EventID: this.id, Reason: p.Reason}
		}
		return nil
	})
	if errors.Is(err, kurrent.ErrAccessDenied) {
		return nil
	}
	return err
}

// rests tells whether nothing more is going to happen to an order by itself. A mail that is due is awaited; so are the
// effect of a request to cancel, the order's domain event and the customer view.
func (t *Tracker) rests(o *followed) bool {
	parkedPlaced, parkedCancels := t.countParked(o.placed), t.countParked(o.cancels)
	if !o.known {
		return parkedPlaced == len(o.placed) && parkedCancels == len(o.cancels)
	}
	status := o.state.Status
	if status != order.StatusFulfilling && status != order.StatusOnHold && !status.Final() {
		return false
	}
	return o.state.Email != string(email.StatusPending) && o.out.complete(status) &&
		parkedPlaced >= len(o.placed)-1 &&
		(status.Final() || parkedCancels == len(o.cancels))
}

func (t *Tracker) countParked(events []event) (n int) {
	for _, e := range events {
		if _, parked := t.parked[e]; parked {
			n++
		}
	}
	return n
}

// Report says where everything stands, as far as it is known.
func (t *Tracker) Report(took time.Duration) Report {
	r := Report{
		Orders: []Line{}, Parked: []Parked{},
		Seconds: float64(took.Round(100*time.Millisecond)) / float64(time.Second),
	}
	for _, o := range t.orders {
		switch {
		case o.known:
			r.Orders = append(r.Orders, lineOf(o.state, o.out))
		case t.countParked(o.placed) < len(o.placed):
			r.Orders = append(r.Orders, o.expected)
		}
	}
	for _, p := range t.parked {
		r.Parked = append(r.Parked, p)
	}
	for _, e := range t.unlinked {
		r.Unlinked = append(r.Unlinked, e)
	}
	r.sort()
	return r
}

func lineOf(s order.State, out Out) Line {
	return Line{
		OrderID: s.OrderID, CustomerID: s.CustomerID, Status: string(s.Status), Reason: string(s.Reason), Total: s.Total.String(),
		Credit: string(s.Credit), Email: s.Email, LastEvent: out.LastEvent, ViewAgrees: out.ViewAgrees,
	}
}
