package orders

import (
	"context"
	"errors"
	"fmt"

	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
)

// Outcome is the state of an order in the stores after its row: the last published domain
// event and the customer view.
type Outcome struct {
	LastEvent  string // its type; empty if none was published
	ViewAgrees bool   // the view agrees with the state that the api returned
}

// OutcomeSource returns the outcome of an order. Stores implements it.
type OutcomeSource interface {
	Outcome(ctx context.Context, state order.State) (Outcome, error)
}

// EventStreams reads the end of a stream. kurrent.Client implements it.
type EventStreams interface {
	LastEvent(ctx context.Context, stream string) (kurrent.Event, error)
}

// ViewOrders finds an order in the customer view. postgres.CustomerView implements
// it.
type ViewOrders interface {
	FindOrder(ctx context.Context, orderID string) (postgres.ViewOrder, error)
}

// Stores reads the stores that the publisher and the projector write.
type Stores struct {
	Events EventStreams
	View   ViewOrders
}

// Outcome reads the order's published stream and its row in the view.
func (s Stores) Outcome(ctx context.Context, state order.State) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	var outcome Outcome
	event, err := s.Events.LastEvent(ctx, fulfillment.Stream(state.OrderID))
	if err != nil && !errors.Is(err, kurrent.ErrNotFound) {
		return outcome, fmt.Errorf("read events published for %s: %w", state.OrderID, err)
	}
	outcome.LastEvent = event.Type
	found, err := s.View.FindOrder(ctx, state.OrderID)
	if err != nil {
		return outcome, err
	}
	outcome.ViewAgrees = found.Order != nil && agrees(*found.Order, state)
	return outcome, nil
}

func agrees(row view.Order, state order.State) bool {
	return row.OrderID == state.OrderID && row.CustomerID == state.CustomerID && row.Status == state.Status &&
		row.Reason == state.Reason && row.Total == state.Total && row.Shipment == state.Shipment && row.Credit == state.Credit
}

// complete reports whether everything about the order has been published and projected.
func (o Outcome) complete(status order.Status) bool {
	part := status == order.StatusFulfilling && o.LastEvent == fulfillment.TypeParcelShipped
	return o.ViewAgrees && (part || o.LastEvent == lastEvent(status))
}

// lastEvent returns the type of the last domain event published for an order in this
// status.
func lastEvent(status order.Status) string {
	switch status {
	case order.StatusFulfilling:
		return fulfillment.TypeApproved
	case order.StatusShipped:
		return fulfillment.TypeShipped
	case order.StatusRejected:
		return fulfillment.TypeRejected
	case order.StatusCancelled:
		return fulfillment.TypeCancelled
	default:
		return "" // it has no row yet
	}
}
