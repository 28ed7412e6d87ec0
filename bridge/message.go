package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/correlation"
	"orderflow/internal/failpoint"
	"orderflow/internal/temporalclient"
)

// WorkflowWait is how long an event waits by default for what it is about. A persistent
// subscription may deliver the events of one stream out of order, so a wait is
// worthwhile.
const WorkflowWait = 30 * time.Second

// maxDescribes bounds how often one attempt describes an event's workflow. Its runs may
// end while it is sent a message.
const maxDescribes = 4

// errNoWorkflow means that there is no workflow to signal.
var errNoWorkflow = errors.New("there is no workflow to signal")

// message is a signal or an update for the open run of a workflow.
type message struct {
	workflowID, workflow, name string
	send                       func(ctx context.Context, runID string) error
	missing                    func(ctx context.Context) (Result, error)     // what to do without a workflow; no result means to look again
	closed                     func(ctx context.Context, runID string) error // of a run that is closed; nil means that the message is late
	sent                       Result
}

// deliver sends the message to exactly one run: by the time of the call the workflow id
// may belong to a workflow of another type. send returns a *serviceerror.NotFound if the
// run has ended.
func (a *attempt) deliver(ctx context.Context, m message) (Result, error) {
	for range maxDescribes {
		run, err := a.findExecution(ctx, m.workflowID, m.workflow)
		switch {
		case err != nil:
			return "", err
		case run.closed && m.closed != nil:
			return lateUnless(m.closed(ctx, run.runID))
		case run.closed:
			return Late, nil
		case run.runID == "":
			if result, err := m.missing(ctx); result != "" || err != nil {
				return result, err
			}
			continue
		}
		switch err := m.send(ctx, run.runID); {
		case err == nil:
			return m.sent, nil
		case !temporalclient.IsNotFound(err):
			return "", err
		}
		// That run has ended since. Only describing the workflow again shows whether it
		// has closed or continued as new.
	}
	return "", ErrRunChanged
}

func lateUnless(err error) (Result, error) {
	if err != nil {
		return "", err
	}
	return Late, nil
}

// check returns a ParkError for a message that names no workflow or no handler.
func (m message) check(event Event) error {
	switch {
	case m.workflowID == "" || m.workflow == "" || m.name == "":
		return Park("%s: the message for %.64s lacks its workflow's id or type, or a name", ReasonRoute, event.Type)
	case !isPrintable(m.workflowID):
		return Park("%s: the message for %.64s has a workflow id that is not printable ASCII", ReasonRoute, event.Type)
	}
	return nil
}

func (s Signal) apply(ctx context.Context, a *attempt) (Result, error) {
	return s.deliver(ctx, a, func(context.Context) (Result, error) {
		return "", &NotYetError{Err: errNoWorkflow, Code: ReasonNoWorkflow, Wait: s.Wait, forEvent: true}
	})
}

func (s Signal) deliver(ctx context.Context, a *attempt, missing func(context.Context) (Result, error)) (Result, error) {
	m := message{
		workflowID: s.WorkflowID, workflow: s.Workflow, name: s.Name, sent: Signalled, missing: missing,
		send: func(ctx context.Context, runID string) error { return s.send(ctx, a.temporal, runID) },
	}
	if err := m.check(a.event); err != nil {
		return "", err
	}
	return a.deliver(ctx, m)
}

func (s Signal) send(ctx context.Context, temporal client.Client, runID string) error {
	failpoint.Hit("starter.signal.before")
	err := temporal.SignalWorkflow(ctx, s.WorkflowID, runID, s.Name, s.Arg)
	if err != nil {
		return fmt.Errorf("signal workflow %s: %w", s.WorkflowID, err)
	}
	failpoint.Hit("starter.signal.after")
	return nil
}

func (s SignalWithStart) apply(ctx context.Context, a *attempt) (Result, error) {
	return s.Signal.deliver(ctx, a, func(ctx context.Context) (Result, error) {
		return a.startFor(ctx, s.Start, s.Signal.WorkflowID, s.Signal.Workflow, StartDelay)
	})
}

// startFor starts the workflow of a message. It returns Ignored if the route says so, and
// no result once there is a workflow.
func (a *attempt) startFor(
	ctx context.Context, start func(context.Context) (Action, error), workflowID, workflow string, delay time.Duration,
) (Result, error) {
	if start == nil {
		return "", Park("%s: the message for %.64s has no start", ReasonRoute, a.event.Type)
	}
	returned, err := start(ctx)
	if err != nil {
		return "", usable(err, a.event)
	}
	action := valueOf(returned)
	s, ok := action.(Start)
	switch _, ignore := action.(Ignore); {
	case ignore:
		return Ignored, nil
	case !ok || s.Options.ID != workflowID || s.Workflow != workflow:
		return "", Park("%s: the message for %.64s does not start its workflow", ReasonRoute, a.event.Type)
	}
	if err := s.check(a.event); err != nil {
		return "", err
	}
	options := s.options(a.event)
	if options.CronSchedule == "" { // Temporal refuses both together
		options.StartDelay = max(options.StartDelay, delay)
	}
	ctx = correlation.Trace(s.Trace).Context(ctx)
	failpoint.Hit("starter.start-early.before")
	_, err = a.temporal.ExecuteWorkflow(ctx, options, s.Workflow, s.Args...)
	switch {
	case temporal.IsWorkflowExecutionAlreadyStartedError(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("start workflow %s: %w", workflowID, err)
	}
	failpoint.Hit("starter.start-early.after")
	return "", nil
}

func (u UpdateWithStart) apply(ctx context.Context, a *attempt) (Result, error) {
	m := message{
		workflowID: u.WorkflowID, workflow: u.Workflow, name: u.Name, sent: Updated,
		send: func(ctx context.Context, runID string) error { return u.send(ctx, a, runID) },
		missing: func(ctx context.Context) (Result, error) {
			return a.startFor(ctx, u.Start, u.WorkflowID, u.Workflow, 0)
		},
	}
	if u.Closed != nil {
		m.closed = func(ctx context.Context, runID string) error { return u.judgeClosed(ctx, a, runID) }
	}
	if err := m.check(a.event); err != nil {
		return "", err
	}
	return a.deliver(ctx, m)
}

// judgeClosed asks the route about a closed run.
func (u UpdateWithStart) judgeClosed(ctx context.Context, a *attempt, runID string) error {
	result, err := a.result(ctx, u.WorkflowID, runID)
	if err != nil {
		return err
	}
	err = u.Closed(func(into any) error {
		if result == nil {
			return ErrNoResult
		}
		return a.payloads.Decode(u.WorkflowID, result, into)
	})
	return afterReply(usable(err, a.event))
}

// send updates one run, and waits until a worker has accepted the update.
func (u UpdateWithStart) send(ctx context.Context, a *attempt, runID string) error {
	failpoint.Hit("starter.update.before")
	handle, err := a.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		UpdateID: a.event.ID.String(), WorkflowID: u.WorkflowID, RunID: runID, UpdateName: u.Name, Args: u.Args,
		WaitForStage: client.WorkflowUpdateStageAccepted,
	})
	if err != nil {
		return fmt.Errorf("update workflow %s: %w", u.WorkflowID, err)
	}
	// A rejection is an outcome, like the end of a handler that took no time. If the
	// outcome is here, the handle returns it whatever its context; otherwise the context
	// keeps it from waiting for the outcome.
	ended, cancel := context.WithCancel(ctx)
	cancel()
	var open *client.WorkflowUpdateServiceTimeoutOrCanceledError
	var failed *temporal.ApplicationError
	switch err := handle.Get(ended, nil); {
	case err == nil, errors.As(err, &open):
		failpoint.Hit("starter.update.after")
		return nil
	case !errors.As(err, &failed):
		return ParkAfterReply("%s: %T", ReasonRejected, err)
	case failed.Type() == acceptedUnfinished, u.Accepted != nil && u.Accepted(failed):
		return nil
	case u.Early != nil && u.Early(failed):
		return NotYet(ReasonEarly, errors.New(failed.Message()))
	default:
		return ParkAfterReply("%s: %.512s", ReasonRejected, failed.Message())
	}
}

// acceptedUnfinished is the type of the server's error about an update that was accepted
// by a run which has closed without finishing it.
const acceptedUnfinished = "AcceptedUpdateCompletedWorkflow"
