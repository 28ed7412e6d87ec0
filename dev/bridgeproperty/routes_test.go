package bridgeproperty_test

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/bridge"
)

// The types of the events, each with a route of its own except for the last.
const (
	opened  = "opened"  // starts the workflow
	noted   = "noted"   // signals it
	called  = "called"  // signals it, and starts it if need be
	asked   = "asked"   // updates it, and starts it if need be
	needing = "needing" // starts it once another stream exists
	fragile = "fragile" // starts it, or panics
	skipped = "skipped" // is ignored by its route
	unknown = "unknown" // has no route
)

// What the routes start and send. A workflow under the id that a route uses may have been
// started by hand, with either type.
const (
	subjectWorkflow = "Subject"
	foreignWorkflow = "Foreign"
	noteSignal      = "note"
	closeSignal     = "close"
	askUpdate       = "ask"
)

const (
	missing = "MISSING"         // the reason of an event whose other stream never comes
	refused = "refused as told" // by the workflow, the message of a rejected update
)

// instruction is the data of an event.
type instruction struct {
	Workflow string `json:"workflow"` // id
	Queue    string `json:"queue"`
	Signal   string `json:"signal,omitempty"`
	Needs    string `json:"needs,omitempty"`  // stream
	Refuse   bool   `json:"refuse,omitempty"` // the workflow rejects the update
	Panic    bool   `json:"panic,omitempty"`
}

func (i instruction) start() bridge.Start {
	return bridge.Start{Options: client.StartWorkflowOptions{ID: i.Workflow, TaskQueue: i.Queue}, Workflow: subjectWorkflow}
}

func (i instruction) startEarly(context.Context) (bridge.Action, error) { return i.start(), nil }

// signal returns a signal that carries the id of its event, which shows in the history.
func (i instruction) signal(e bridge.Event) bridge.Signal {
	return bridge.Signal{WorkflowID: i.Workflow, Workflow: subjectWorkflow, Name: i.Signal, Arg: e.ID.String(), Wait: time.Millisecond}
}

func (i instruction) update(e bridge.Event) bridge.UpdateWithStart {
	return bridge.UpdateWithStart{
		WorkflowID: i.Workflow, Workflow: subjectWorkflow, Name: askUpdate, Args: []any{e.ID.String(), i.Refuse}, Start: i.startEarly,
	}
}

// route returns a route that returns the action together with the error of an undecodable
// event: the error alone counts.
func route(act func(context.Context, bridge.Event, instruction) (bridge.Action, error)) bridge.Route {
	return func(ctx context.Context, e bridge.Event) (bridge.Action, error) {
		var i instruction
		undecodable := e.Decode(&i)
		action, err := act(ctx, e, i)
		if undecodable != nil {
			err = undecodable
		}
		return action, err
	}
}

func routes(events *bridge.KurrentDB) bridge.Routes {
	return bridge.Routes{
		opened: route(func(_ context.Context, _ bridge.Event, i instruction) (bridge.Action, error) { return i.start(), nil }),
		noted:  route(func(_ context.Context, e bridge.Event, i instruction) (bridge.Action, error) { return i.signal(e), nil }),
		called: route(func(_ context.Context, e bridge.Event, i instruction) (bridge.Action, error) {
			return bridge.SignalWithStart{Signal: i.signal(e), Start: i.startEarly}, nil
		}),
		asked: route(func(_ context.Context, e bridge.Event, i instruction) (bridge.Action, error) { return i.update(e), nil }),
		needing: route(func(ctx context.Context, _ bridge.Event, i instruction) (bridge.Action, error) {
			err := events.ReadStream(ctx, i.Needs, 0, 1, func(bridge.Event) error { return nil })
			if bridge.IsGone(err) {
				err = &bridge.NotYetError{Err: errors.New("the stream does not exist"), Code: missing, Wait: time.Hour}
			}
			return i.start(), err
		}),
		fragile: route(func(_ context.Context, _ bridge.Event, i instruction) (bridge.Action, error) {
			if i.Panic {
				panic("as told")
			}
			return i.start(), nil
		}),
		skipped: func(context.Context, bridge.Event) (bridge.Action, error) { return bridge.Ignore{}, nil },
	}
}

// subject is the workflow that the routes start, until it is told to close.
func subject(ctx workflow.Context) error {
	handle := func(workflow.Context, string, bool) error { return nil }
	validate := func(_ workflow.Context, _ string, refuse bool) error {
		if refuse {
			return errors.New(refused)
		}
		return nil
	}
	err := workflow.SetUpdateHandlerWithOptions(ctx, askUpdate, handle, workflow.UpdateHandlerOptions{Validator: validate})
	if err != nil {
		return err
	}
	workflow.GetSignalChannel(ctx, closeSignal).Receive(ctx, nil)
	return nil
}

// newWorker returns a worker that hosts the workflows of a queue.
func newWorker(temporal client.Client, queue string) worker.Worker {
	w := worker.New(temporal, queue, worker.Options{})
	w.RegisterWorkflowWithOptions(subject, workflow.RegisterOptions{Name: subjectWorkflow})
	return w
}
