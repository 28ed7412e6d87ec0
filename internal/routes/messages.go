package routes

import (
	"context"
	"errors"

	"go.temporal.io/sdk/temporal"

	"orderflow/bridge"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// reasonOrderClosed begins the reason of an event for a closed order that did not end as
// the event says.
const reasonOrderClosed = "ORDER_CLOSED"

// shipmentRecorded ships the order.
func (r orderRoutes) shipmentRecorded(_ context.Context, event bridge.Event) (bridge.Action, error) {
	shipment, err := workflows.DecodeEvent[workflows.RecordShipment](event.Stream, event.ContentType, event.Data)
	if err != nil {
		return nil, bridge.Park("%s", err)
	}
	return r.update(event.Stream, workflows.RecordShipmentMessage, shipment, func(state order.State) bool {
		return state.HasLeft(shipment.Parcel())
	}), nil
}

// creditApproved approves an order on hold. If the order was canceled or shipped later, the
// approval may have had its effect before.
func (r orderRoutes) creditApproved(_ context.Context, event bridge.Event) (bridge.Action, error) {
	orderID, approval, err := decodeDecision[workflows.ApproveCredit](event)
	if err != nil {
		return nil, err
	}
	approval.Note = "" // no store could erase it
	return r.update(orderID, workflows.ApproveCreditMessage, approval, func(state order.State) bool {
		return state.Status != order.StatusRejected
	}), nil
}

// creditDeclined declines an order on hold. An order that ended without being shipped needs
// no decline.
func (r orderRoutes) creditDeclined(_ context.Context, event bridge.Event) (bridge.Action, error) {
	orderID, decline, err := decodeDecision[workflows.DeclineCredit](event)
	if err != nil {
		return nil, err
	}
	decline.Note = ""
	return r.update(orderID, workflows.DeclineCreditMessage, decline, func(state order.State) bool {
		return state.Status != order.StatusShipped
	}), nil
}

// decodeDecision decodes a decision about an order's credit. Its stream must be one of
// decisions: a program that writes to the streams of orders may not decide.
func decodeDecision[M workflows.Message](event bridge.Event) (orderID string, m M, err error) {
	orderID, ok := order.OrderDecided(event.Stream)
	if !ok {
		return "", m, bridge.Park("orderId: the stream must be %s and an order's id", order.CreditDecisionPrefix)
	}
	if m, err = workflows.DecodeEvent[M](orderID, event.ContentType, event.Data); err != nil {
		return "", m, bridge.Park("%s", err)
	}
	return orderID, m, nil
}

// MessageOrder returns the order of an event that carries a message for it. The error says why
// the event is parked.
func MessageOrder(event bridge.Event) (orderID string, err error) {
	switch event.Type {
	case order.TypeShipmentRecorded:
		_, err = workflows.DecodeEvent[workflows.RecordShipment](event.Stream, event.ContentType, event.Data)
		return event.Stream, err
	case order.TypeCreditApproved:
		orderID, _, err = decodeDecision[workflows.ApproveCredit](event)
	case order.TypeCreditDeclined:
		orderID, _, err = decodeDecision[workflows.DeclineCredit](event)
	default:
		err = bridge.Park("type: carries no message")
	}
	return orderID, err
}

// update returns the update of the order's workflow, which is started first if there is
// none. What the order refuses is parked with its words, at once or, if it may accept it
// later, after a wait. agrees reports whether a closed order needs the message no more;
// the state is the zero State if its workflow ended without one.
func (r orderRoutes) update(orderID, name string, message any, agrees func(order.State) bool) bridge.Action {
	return bridge.UpdateWithStart{
		WorkflowID: orderID, Workflow: workflows.OrderFulfillmentType, Name: name, Args: []any{message},
		Start:    r.startPlaced(order.Stream(orderID)),
		Early:    func(rejection *temporal.ApplicationError) bool { return rejection.Type() == workflows.Early },
		Accepted: func(failure *temporal.ApplicationError) bool { return failure.Type() == workflows.Continued },
		Closed: func(result func(any) error) error {
			var state order.State
			err := result(&state)
			switch {
			case err != nil && !errors.Is(err, bridge.ErrNoResult):
				return err
			case agrees(state):
				return nil
			case err != nil:
				return bridge.Park("%s: %s", reasonOrderClosed, err)
			default:
				return bridge.Park("%s: the order is %s", reasonOrderClosed, state.Status)
			}
		},
	}
}

// startPlaced returns the function that starts the workflow of a stream's order, for a
// message that finds none.
func (r orderRoutes) startPlaced(stream string) func(ctx context.Context) (bridge.Action, error) {
	return func(ctx context.Context) (bridge.Action, error) {
		placed, erased, err := r.findOrder(ctx, stream)
		switch {
		case err != nil:
			return nil, err
		case erased:
			return bridge.Ignore{}, nil
		}
		action, err := r.start(bridge.Event(placed))
		return traced(ctx, action), err
	}
}
