package orders

import (
	"slices"
	"strings"

	"orderflow/dev/sampledata"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/internal/serverjson"
)

// event identifies one event of the run. The same id may occur on two streams.
type event struct{ stream, id string }

// followed is one order of the run.
type followed struct {
	placed  []event     // events that place it: one is used, any other is parked as a duplicate
	cancels []event     // requests to cancel it
	state   order.State // from its events until the api returns one
	outcome Outcome
	settled bool
}

// Note adds the events of a stream to the run.
func (t *Tracker) Note(s sampledata.Stream) {
	if !strings.HasPrefix(s.Name, order.StreamPrefix) {
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
	t.invalid = append(t.invalid, this)
}

func (t *Tracker) follow(orderID string) *followed {
	o, found := t.orders[orderID]
	if !found {
		o = &followed{state: order.State{
			OrderID: orderID, Status: order.StatusPending, Credit: order.CreditNone, Email: string(email.StatusNone),
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
		o.state.CustomerID, o.state.Total = placed.CustomerID, placed.Total
	}
	o.placed = append(o.placed, this)
}
