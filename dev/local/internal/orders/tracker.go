package orders

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/internal/email"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

const (
	// maxConcurrentQueries bounds the queries in flight: those about an order without a
	// fulfillment take time of the worker that the orders need.
	maxConcurrentQueries = 8

	// queriesPerLook bounds the orders queried in one look, for the same reason. The next
	// look continues after them.
	queriesPerLook = 32
)

// StateSource returns the state of an order, or ErrUnknown if there is none. API
// implements it.
type StateSource interface {
	State(ctx context.Context, orderID string) (order.State, error)
}

// ParkedSource lists the events that a group has parked. kurrent.Client implements it.
type ParkedSource interface {
	Parked(ctx context.Context, stream, group string, visit func(kurrent.Parked) error) error
}

// Tracker follows the orders of one run until each is settled. It is not safe for
// concurrent use.
type Tracker struct {
	states        StateSource
	outcomes      OutcomeSource
	parkedSource  ParkedSource
	stream, group string

	orders   map[string]*followed
	sequence []string         // order ids in the order they were noted
	next     int              // index in sequence where the next look begins
	types    map[event]string // of this run's events on order streams
	invalid  []event          // events that will certainly be parked
	parked   map[event]Parked
	unlinked map[event]Parked // the server leaves them out of the stream that the group reads
}

// NewTracker returns a Tracker for the events that the group reads from the stream.
func NewTracker(states StateSource, outcomes OutcomeSource, parkedSource ParkedSource, stream, group string) *Tracker {
	return &Tracker{
		states: states, outcomes: outcomes, parkedSource: parkedSource, stream: stream, group: group,
		orders: map[string]*followed{}, types: map[event]string{}, parked: map[event]Parked{},
		unlinked: map[event]Parked{},
	}
}

// Progress returns the progress of the run in one line.
func (t *Tracker) Progress() string {
	text := fmt.Sprintf("%d of %d orders are settled", t.countSettled(), len(t.orders))
	if len(t.invalid) > 0 {
		text += fmt.Sprintf(", %d of %d invalid events are parked", t.countParked(t.invalid), len(t.invalid))
	}
	return text
}

// Settled reports whether every order is settled and every invalid event is parked.
func (t *Tracker) Settled() bool {
	return t.countSettled() == len(t.orders) && t.countParked(t.invalid) == len(t.invalid)
}

func (t *Tracker) countSettled() (n int) {
	for _, o := range t.orders {
		if o.settled {
			n++
		}
	}
	return n
}

// Look queries some of the orders that are not settled; repeated calls cover all of them
// in turn. Errors may be temporary: they matter only to a caller that has waited in vain.
func (t *Tracker) Look(ctx context.Context) error {
	return t.look(ctx, queriesPerLook)
}

// LookAtAll queries every order that is not settled.
func (t *Tracker) LookAtAll(ctx context.Context) error {
	return t.look(ctx, len(t.sequence))
}

func (t *Tracker) look(ctx context.Context, most int) error {
	errs := []error{t.ask(ctx, t.turn(most))}
	if !t.Settled() {
		errs = append(errs, t.lookAtParked(ctx))
	}
	for _, o := range t.orders {
		o.settled = o.settled || t.settles(o)
	}
	return errors.Join(errs...)
}

// turn returns the orders to query next.
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
	group.SetLimit(maxConcurrentQueries)
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
			outcome, err := t.outcomes.Outcome(ctx, state)
			mu.Lock()
			defer mu.Unlock()
			o := t.orders[id]
			o.state, o.outcome = state, outcome
			return err
		})
	}
	return group.Wait()
}

// lookAtParked finds this run's events among those the group has parked. Without
// permission to read that list it does nothing.
func (t *Tracker) lookAtParked(ctx context.Context) error {
	err := t.parkedSource.Parked(ctx, t.stream, t.group, func(p kurrent.Parked) error {
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

// settles reports whether nothing more will happen to an order without further input. It
// waits for a pending email, the effect of a cancellation request, the order's domain
// event and the customer view.
func (t *Tracker) settles(o *followed) bool {
	parkedCancels := t.countParked(o.cancels)
	switch status := o.state.Status; {
	case t.neverStarts(o):
		return parkedCancels == len(o.cancels)
	case status != order.StatusFulfilling && status != order.StatusOnHold && !status.Final():
		return false
	default:
		return o.state.Email != string(email.StatusPending) && o.outcome.complete(status) &&
			t.countParked(o.placed) >= len(o.placed)-1 &&
			(status.Final() || parkedCancels == len(o.cancels))
	}
}

// neverStarts reports whether an order is not started and every event that could start it
// is parked.
func (t *Tracker) neverStarts(o *followed) bool {
	return o.state.Status == order.StatusPending && t.countParked(o.placed) == len(o.placed)
}

func (t *Tracker) countParked(events []event) (n int) {
	for _, e := range events {
		if _, parked := t.parked[e]; parked {
			n++
		}
	}
	return n
}

// Report returns the state of everything, as far as it is known.
func (t *Tracker) Report(took time.Duration) Report {
	r := Report{
		Orders: []Line{}, Parked: []Parked{},
		Seconds: float64(took.Round(100*time.Millisecond)) / float64(time.Second),
	}
	for _, o := range t.orders {
		if !t.neverStarts(o) {
			r.Orders = append(r.Orders, lineOf(o.state, o.outcome))
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

func lineOf(s order.State, outcome Outcome) Line {
	return Line{
		OrderID: s.OrderID, CustomerID: s.CustomerID, Status: string(s.Status), Reason: string(s.Reason), Total: s.Total.String(),
		Credit: string(s.Credit), Email: s.Email, LastEvent: outcome.LastEvent, ViewAgrees: outcome.ViewAgrees,
	}
}
