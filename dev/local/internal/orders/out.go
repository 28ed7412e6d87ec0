package orders

import (
	"context"
	"errors"
	"fmt"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
)

// Out is what came of an order behind its row: the last domain event that was published, and the customer view.
type Out struct {
	LastEvent  string // its type; empty when none was published
	ViewAgrees bool   // the view says about the order what its workflow says
}

// OutSource asks what came of an order. The real one is Outs.
type OutSource interface {
	Out(ctx context.Context, state order.State) (Out, error)
}

// EventStreams reads the end of a stream. The real one is kurrent.Client.
type EventStreams interface {
	LastEvent(ctx context.Context, stream string) (kurrent.Event, error)
}

// ViewOrders finds an order in the customer view. The real one is postgres.Store.
type ViewOrders interface {
	FindViewOrder(ctx context.Context, orderID string) (view.Order, error)
}

// Outs asks the stores behind publisher and projector.
type Outs struct {
	Events EventStreams
	View   ViewOrders
}

// Out reads the order's published stream and its row in the view.
func (o Outs) Out(ctx context.Context, state order.State) (Out, error) {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	var out Out
	event, err := o.Events.LastEvent(ctx, view.FulfillmentPrefix+state.OrderID)
	if err != nil && !errors.Is(err, kurrent.ErrNotFound) {
		return out, fmt.Errorf("read what was published of %s: %w", state.OrderID, err)
	}
	out.LastEvent = event.Type
	row, err := o.View.FindViewOrder(ctx, state.OrderID)
	if err != nil && !errors.Is(err, postgres.ErrNotFound) {
		return out, err
	}
	out.ViewAgrees = agrees(row, state)
	return out, nil
}

func agrees(row view.Order, state order.State) bool {
	return row.OrderID == state.OrderID && row.CustomerID == state.CustomerID && row.Status == state.Status &&
		row.Reason == state.Reason && row.Total == state.Total && row.Carrier == state.Carrier &&
		row.TrackingNumber == state.TrackingNumber && agreesOnCredit(row.Credit, state.Credit)
}

// agreesOnCredit knows that a payment frees credit without the order's workflow: the streams tell, the workflow does not.
func agreesOnCredit(told, known order.Credit) bool {
	return told == known || told == order.CreditReleased && known == order.CreditReserved
}

// complete tells whether what is known of an order has come out as far as it will.
func (o Out) complete(status order.Status) bool {
	return o.ViewAgrees && o.LastEvent == lastEvent(status)
}

// lastEvent is the domain event that an order in a status was published with last.
func lastEvent(status order.Status) string {
	switch {
	case status == order.StatusFulfilling:
		return "order-approved"
	case status.Final():
		return "order-" + string(status)
	default:
		return "" // it has no row yet
	}
}
