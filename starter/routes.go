package main

import (
	"context"
	"fmt"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// result is the outcome of an event, as the metric counts it.
type result string

const (
	resultStarted   result = "started"   // a workflow was started
	resultDuplicate result = "duplicate" // this same event took effect before
	resultIgnored   result = "ignored"   // not for the bridge, or deleted
	resultSignalled result = "signalled" // a running workflow received it
	resultLate      result = "late"      // its workflow is closed
	resultParked    result = "parked"    // it can never take effect; the parked stream says why
)

// parkError means that an event can never take effect. Every other error is an outage and
// is retried.
type parkError struct {
	reason  string
	replied bool // Temporal replied before the fault was found, so it does not refuse every event
}

func (e *parkError) Error() string { return e.reason }

func park(format string, args ...any) error { return &parkError{reason: fmt.Sprintf(format, args...)} }

// parkAfterReply returns a parkError for an event about which Temporal has replied.
func parkAfterReply(format string, args ...any) error {
	return &parkError{reason: fmt.Sprintf(format, args...), replied: true}
}

// Reasons that the bridge itself determines. An undecodable body is parked with its
// field's error.
const (
	reasonDuplicateOrder  = "DUPLICATE_ORDER"
	reasonOrderUnknown    = "ORDER_UNKNOWN"
	reasonForeignWorkflow = "FOREIGN_WORKFLOW"
	reasonRefused         = "REFUSED" // by Temporal, followed by its message
)

// route applies one type of event. It is repeated until it returns a result or a
// parkError.
type route func(ctx context.Context, event kurrent.Event) (result, error)

// routes returns the table of the events the bridge understands. Each event type and
// workflow is one row. Adding one takes the event's type and decoder in internal/order, a
// route here, and the workflow and its name in package workflows.
func (b *bridge) routes() map[string]route {
	return map[string]route{
		order.TypePlaced:                b.handlePlaced,
		order.TypePlacedAlias:           b.handlePlaced,
		order.TypePaid:                  b.handlePaid,
		order.TypeCancellationRequested: b.handleCancellation,
	}
}
