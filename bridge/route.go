package bridge

import (
	"context"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// Route computes from an event what it does in Temporal. It is called again for each
// attempt at the event, concurrently with other events and, after a redelivery, with
// itself. It may read, but the effect is the returned action's alone. Its errors:
//
//   - Park or a ParkError: the event is invalid, and is parked with the reason.
//   - NotYet or a NotYetError: what the event is about does not exist yet.
//   - Any other error: an outage, and the route is called again.
//
// An error reaches logs, so it must not quote the event. ctx ends after 10 s. A route that
// panics parks its event.
type Route func(ctx context.Context, event Event) (Action, error)

// Routes maps the types of events to their routes. An event of any other type is ignored,
// which means that it is acknowledged.
type Routes map[string]Route

// Action is what an event does: Start, Signal, SignalWithStart, UpdateWithStart or Ignore,
// or a pointer to one of them. Workflow ids must be printable ASCII: Temporal's client
// sends them in a header.
type Action interface {
	apply(ctx context.Context, attempt *attempt) (Result, error)
}

// Ignore does nothing. The event is acknowledged.
type Ignore struct{}

// Start starts a workflow, the only one its id ever has. If there is one already, the
// event is a duplicate if that workflow was started for it, and is parked otherwise.
//
// Whether it was shows in its memo MemoEventID, which the bridge adds. It may have none
// if it was started by something else; EventID then decides.
type Start struct {
	// Options need an ID and a TaskQueue. The bridge sets the policies for reuse of the id
	// and for conflicts.
	Options  client.StartWorkflowOptions
	Workflow string // type
	Args     []any

	// Trace is that of the event which the workflow is about. A start for a message is part
	// of it. If it is empty, that start is part of the message's trace.
	Trace Trace

	// PerEvent means that the id holds the event's id or its stream and revision. Then
	// every workflow of that type and id was started for this event.
	PerEvent bool

	// EventID returns the id of the event that a workflow without memo was started for.
	// decode decodes its first argument. Without EventID, or if it returns an error or
	// an empty id, the workflow counts as started for another event.
	EventID func(decode func(into any) error) (string, error)

	// Conflict returns the error for an event whose workflow was started for another
	// one, which is empty if unknown; nil makes the event a duplicate. By default it is a
	// ParkError with ReasonAlreadyStarted.
	Conflict func(startedBy string) error
}

// Signal signals the workflow's open run. If the workflow is closed, the event came too
// late. If there is none, the event waits for it, and is parked then.
//
// A signal is sent at least once: the workflow must tolerate repetitions.
type Signal struct {
	WorkflowID string
	Workflow   string // type: a workflow of another type is never signaled
	Name       string
	Arg        any

	// Wait is how long the event waits for the workflow besides a message timeout and the
	// time that a bridge may hold the event that starts it: WorkflowWait by default.
	Wait time.Duration

	// Coalesce names signals to the workflow that repeat each other. While an event with
	// this name waits until the workflow takes messages again, later ones are duplicates of
	// it. Empty means that each signal counts.
	Coalesce string
}

// SignalWithStart signals the workflow's open run. If there is no workflow, it starts
// one, and delays its first task by StartDelay, within which the signal arrives. If the
// workflow is closed, the event came too late.
//
// Temporal's call of that name does both at once, but would also signal a workflow of
// another type that took the id in the meantime.
type SignalWithStart struct {
	Signal Signal

	// Start is called only if there is no workflow. It returns a Start with the signal's
	// workflow, or Ignore.
	Start func(ctx context.Context) (Action, error)
}

// UpdateWithStart starts the workflow if there is none, and then updates its open run. It
// is done when the update is accepted. If the workflow rejects it, or its handler has
// failed by then, the event is parked with the reason, unless Early or Accepted picks the
// error; a workflow that was started for it stays. If the workflow is closed, the event
// came too late, or what Closed says. The id of the update is that of the event, so a run
// receives it once; two bridges must not update one workflow for the same event.
//
// Only a worker can accept an update. While none polls the task queue, events wait: each
// in a slot for updates, of which there are Options.UpdateConcurrency, so that events of
// other kinds are handled meanwhile.
type UpdateWithStart struct {
	WorkflowID string
	Workflow   string // type: a workflow of another type is never updated
	Name       string
	Args       []any

	// Start is called only if there is no workflow. It returns a Start with the update's
	// workflow, or Ignore.
	Start func(ctx context.Context) (Action, error)

	// Early reports whether the workflow, which rejected the update, may accept it later.
	// The event then waits as one with NotYet does, and is parked with ReasonEarly and the
	// rejection. Nil means that every rejection parks the event.
	Early func(rejection *temporal.ApplicationError) bool

	// Accepted reports whether a handler that has failed has taken the update nevertheless, as
	// one that fails because its run continues as new. The event is then done. Nil means that
	// every failure parks the event.
	Accepted func(failure *temporal.ApplicationError) bool

	// Closed says what an event for a closed workflow is: late if it returns nil, or parked
	// if it returns a ParkError. result decodes the workflow's result. It returns ErrNoResult
	// if the workflow ended without one. Nil means that the event is late.
	Closed func(result func(into any) error) error
}
