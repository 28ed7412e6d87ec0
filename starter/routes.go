package main

import (
	"context"
	"fmt"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// result says what became of an event, as the metric counts it.
type result string

const (
	resultStarted   result = "started"   // a workflow was started
	resultDuplicate result = "duplicate" // this very event had its effect before
	resultIgnored   result = "ignored"   // not for us, or nothing is left of it
	resultSignalled result = "signalled" // a running workflow took it
	resultLate      result = "late"      // its workflow is closed
	resultParked    result = "parked"    // it can never have an effect; the parked stream says why
)

// parkError is an event that can never have its effect. Everything else that goes wrong is an outage and is tried again.
type parkError struct {
	reason   string
	answered bool // by Temporal, before the fault was found: it does not refuse every event
}

func (e *parkError) Error() string { return e.reason }

func park(format string, args ...any) error { return &parkError{reason: fmt.Sprintf(format, args...)} }

// parkAnswered parks an event that Temporal was asked about.
func parkAnswered(format string, args ...any) error {
	return &parkError{reason: fmt.Sprintf(format, args...), answered: true}
}

// The reasons that are ours; a body that cannot be read is parked with the fault of its field.
const (
	reasonDuplicateOrder  = "DUPLICATE_ORDER"
	reasonOrderUnknown    = "ORDER_UNKNOWN"
	reasonForeignWorkflow = "FOREIGN_WORKFLOW"
	reasonRefused         = "REFUSED" // by Temporal, with its words
)

// route gives one type of event its effect. It is repeated until it answers a result or a parkError.
type route func(ctx context.Context, event kurrent.Event) (result, error)

// routes is the table of everything the bridge understands: another event and another workflow are another row. What it
// takes: the event's type and decoder in internal/order, a route here, the workflow and its name in package workflows.
func (b *bridge) routes() map[string]route {
	return map[string]route{
		order.TypePlaced:                b.placed,
		order.TypePlacedAlias:           b.placed,
		order.TypePaid:                  b.paid,
		order.TypeCancellationRequested: b.cancellationRequested,
	}
}
