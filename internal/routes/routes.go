// Package routes says what the events on an order's stream, and the decisions about its
// credit, do in Temporal: the routes of the starter's bridges.
//
// It owns the ids and options of what is started, and which events are for it. Package
// bridge owns how an event takes effect, and package workflows what a workflow does.
// Reconcile applies the events that never arrived by the same routes.
package routes

import (
	"context"
	"errors"

	"go.temporal.io/sdk/client"

	"orderflow/bridge"
	"orderflow/internal/config"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// Reasons that an event is parked for, other than those of package bridge and that a body
// cannot be decoded, which is parked with its field's error.
const (
	ReasonOrderUnknown = "ORDER_UNKNOWN"

	reasonDuplicateOrder = "DUPLICATE_ORDER"
)

// ErrNotPlaced means that an order's stream holds no order yet. A persistent subscription
// may deliver the events of one stream out of order, so a short wait is worthwhile.
var ErrNotPlaced = errors.New("the order has not been placed")

// Orders finds the event that placed the order of a stream. streams.Orders implements it.
type Orders interface {
	FindPlaced(ctx context.Context, stream string) (kurrent.Event, error)
}

// Bridge is what one of the starter's bridges needs: a subscription, and the routes of the
// events that it delivers.
type Bridge struct {
	Name         string // for logs and readiness
	Subscription bridge.Subscription
	Router       *bridge.Router
}

// Bridges returns the starter's bridges: that of orders, whose subscription the settings
// name, that of decisions about credit, and that of credit accounts. options are those of
// the Temporal client.
func Bridges(
	s config.Subscription, temporal client.Client, options client.Options, orders Orders, accounts Accounts, attributes config.Attributes,
) []Bridge {
	all := Subscriptions(s)
	return []Bridge{
		{"subscription", Subscription(all[0]), New(temporal, options, orders, attributes)},
		{"decisions", Subscription(all[1]), NewDecisions(temporal, options, orders, attributes)},
		{"accounts", Subscription(all[2]), NewReviews(temporal, options, accounts)},
	}
}

// Subscriptions returns the settings of every subscription of the starter, that of orders
// first. The groups have one name.
func Subscriptions(s config.Subscription) []config.Subscription {
	return []config.Subscription{s, on(s, order.CreditDecisionLinks), on(s, credit.Links)}
}

func on(s config.Subscription, stream string) config.Subscription {
	s.Stream = stream
	return s
}

// New returns the router of orders. options are those of the Temporal client.
func New(temporal client.Client, options client.Options, orders Orders, attributes config.Attributes) *bridge.Router {
	r := orderRoutes{orders: orders, attributes: attributes}
	return router(temporal, options, bridge.Routes{
		order.TypePlaced:                r.placed,
		order.TypePlacedAlias:           r.placed,
		order.TypePaid:                  r.paid,
		order.TypeCancellationRequested: r.cancellationRequested,
		order.TypeShipmentRecorded:      r.shipmentRecorded,
	})
}

// NewDecisions returns the router of decisions about the credit of orders. It is not that of
// orders: a decision on an order's stream has no effect.
func NewDecisions(temporal client.Client, options client.Options, orders Orders, attributes config.Attributes) *bridge.Router {
	r := orderRoutes{orders: orders, attributes: attributes}
	return router(temporal, options, bridge.Routes{
		order.TypeCreditApproved: r.creditApproved,
		order.TypeCreditDeclined: r.creditDeclined,
	})
}

func router(temporal client.Client, options client.Options, routes bridge.Routes) *bridge.Router {
	return &bridge.Router{Temporal: temporal, Namespace: options.Namespace, DataConverter: options.DataConverter, Routes: routes}
}

// Subscription returns a subscription of the starter, with its settings.
func Subscription(s config.Subscription) bridge.Subscription {
	return bridge.Subscription{Stream: s.Stream, Group: s.Group, MessageTimeout: s.MessageTimeout, BufferSize: s.GroupBuffer()}
}

// orderRoutes are the routes. Each event type and workflow is one method. Adding one
// takes the event's type and decoder in internal/order, a method here and its row in New
// or NewDecisions, and the workflow and its name in package workflows.
type orderRoutes struct {
	orders     Orders
	attributes config.Attributes
}

// paid starts a separate settlement for each payment, so that one that cannot count does
// not keep a later one from being settled. A payment delivered before its order waits for
// it, as a cancellation does.
func (r orderRoutes) paid(ctx context.Context, event bridge.Event) (bridge.Action, error) {
	paid, err := order.DecodePaid(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return nil, bridge.Park("%s", err)
	}
	placed, erased, err := r.findOrder(ctx, event.Stream)
	switch {
	case err != nil:
		return nil, err
	case erased:
		return bridge.Ignore{}, nil
	}
	input, err := Input(bridge.Event(placed))
	if err != nil {
		return nil, err
	}
	return bridge.Start{
		Options: client.StartWorkflowOptions{
			ID: workflows.SettlementID(paid.OrderID, event.Revision), TaskQueue: workflows.TaskQueue,
			StaticSummary: paid.Amount.String() + " paid",
			Priority:      workflows.CustomerPriority(input.CustomerID),
		},
		Workflow: workflows.OrderSettlementType,
		Args:     []any{workflows.SettlementInput{OrderID: paid.OrderID, Amount: paid.Amount, Source: SourceOf(event)}},
		PerEvent: true,
	}, nil
}

// cancellationRequested signals the order's workflow. If there is none, it looks for the
// order on the order's stream, and the workflow is started first.
func (r orderRoutes) cancellationRequested(_ context.Context, event bridge.Event) (bridge.Action, error) {
	cancellation, err := order.DecodeCancellation(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return nil, bridge.Park("%s", err)
	}
	return bridge.SignalWithStart{
		Signal: cancelSignal(cancellation.OrderID, cancellation.Reason),
		Start:  r.startPlaced(event.Stream),
	}, nil
}

// cancelSignal returns the signal that cancels an order. The first one counts, whatever
// its reason.
func cancelSignal(orderID, reason string) bridge.Signal {
	return bridge.Signal{
		WorkflowID: orderID, Workflow: workflows.OrderFulfillmentType,
		Name: workflows.CancelOrderMessage, Arg: workflows.CancelOrder{Reason: reason}, Coalesce: orderID,
	}
}

// CancelOpen asks the order's open workflow to cancel. It does nothing if the workflow has
// closed or does not exist, or if another workflow has the order's id.
func CancelOpen(ctx context.Context, r *bridge.Router, orderID, reason string) error {
	_, err := r.Perform(ctx, bridge.Event{}, cancelSignal(orderID, reason))
	var foreign *bridge.ParkError
	var missing *bridge.NotYetError
	if errors.As(err, &foreign) || errors.As(err, &missing) {
		return nil
	}
	return err
}

// findOrder returns the event that placed the order of a stream, and reports whether the
// stream was deleted. It returns a NotYetError if there is no order yet, and a ParkError
// if the order itself was parked.
func (r orderRoutes) findOrder(ctx context.Context, stream string) (placed kurrent.Event, erased bool, err error) {
	placed, err = r.orders.FindPlaced(ctx, stream)
	var invalid *order.InvalidError
	switch {
	case errors.Is(err, kurrent.ErrNotFound):
		return kurrent.Event{}, false, bridge.NotYet(ReasonOrderUnknown, ErrNotPlaced)
	case errors.Is(err, kurrent.ErrDeleted):
		return kurrent.Event{}, true, nil
	case errors.As(err, &invalid):
		return kurrent.Event{}, false, bridge.ParkAfterReply("%s: %s", ReasonOrderUnknown, invalid)
	}
	return placed, false, err
}
