// Package routes applies the events on an order's stream to Temporal. Each type of event
// has a route, which starts or signals a workflow.
//
// It owns the ids and options of what is started, when an event is a duplicate, too late
// or can never take effect, and what an error means for its event. It makes one attempt.
// The starter, which receives the events, and reconcile, which finds those that never
// arrived, decide when to try again. Package workflows owns what a workflow does.
package routes

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/client"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/temporalclient"
)

// Router applies events. It is safe for concurrent use.
type Router struct {
	Temporal client.Client
	Orders   Orders
	Payloads temporalclient.Payloads
}

// Orders finds the event that placed the order of a stream. streams.Orders implements it.
type Orders interface {
	FindPlaced(ctx context.Context, stream string) (kurrent.Event, error)
}

// Result is the outcome of an event, as the starter's metric counts it.
type Result string

// The outcomes of events.
const (
	Started   Result = "started"   // a workflow was started
	Duplicate Result = "duplicate" // this same event took effect before
	Ignored   Result = "ignored"   // not for the bridge, or deleted
	Signalled Result = "signalled" // a running workflow received it
	Late      Result = "late"      // its workflow is closed
	Parked    Result = "parked"    // it can never take effect; the parked stream says why
)

// ParkError means that an event can never take effect. Every other error is an outage and
// is retried.
type ParkError struct {
	Reason  string
	Replied bool // Temporal replied before the fault was found, so it does not refuse every event
}

// Error returns the reason.
func (e *ParkError) Error() string { return e.Reason }

func park(format string, args ...any) error { return &ParkError{Reason: fmt.Sprintf(format, args...)} }

// ParkAfterReply returns a ParkError for an event about which Temporal has replied.
func ParkAfterReply(format string, args ...any) error {
	return &ParkError{Reason: fmt.Sprintf(format, args...), Replied: true}
}

// Reasons other than that a body cannot be decoded, which is parked with its field's
// error.
const (
	ReasonOrderUnknown = "ORDER_UNKNOWN"
	ReasonRefused      = "REFUSED" // by Temporal, followed by its message

	reasonDuplicateOrder  = "DUPLICATE_ORDER"
	reasonForeignWorkflow = "FOREIGN_WORKFLOW"
)

// route applies one type of event. It is repeated until it returns a result or a
// ParkError.
type route func(ctx context.Context, event kurrent.Event) (Result, error)

// routes returns the table of the events that are understood. Each event type and
// workflow is one row. Adding one takes the event's type and decoder in internal/order, a
// route here, and the workflow and its name in package workflows.
func (r *Router) routes() map[string]route {
	return map[string]route{
		order.TypePlaced:                r.handlePlaced,
		order.TypePlacedAlias:           r.handlePlaced,
		order.TypePaid:                  r.handlePaid,
		order.TypeCancellationRequested: r.handleCancellation,
	}
}

// Apply applies an event. It returns Ignored for a type without a route.
func (r *Router) Apply(ctx context.Context, event kurrent.Event) (Result, error) {
	handler, known := r.routes()[event.Type]
	if !known {
		return Ignored, nil
	}
	return handler(ctx, event)
}
