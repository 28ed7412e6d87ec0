package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/order"
	"orderflow/workflows"
)

// updateWait is how long a request waits for the effect of its message before it responds
// with the URL to poll.
const updateWait = 5 * time.Second

// acceptedThenClosed is the server's error type for an accepted update whose workflow
// closed before it completed the update.
const acceptedThenClosed = "AcceptedUpdateCompletedWorkflow"

var (
	// errNoWorkflow means that the order has no running workflow.
	errNoWorkflow = errors.New("no workflow is running")

	// errContinued means that the update was accepted and that the next run decides its
	// outcome.
	errContinued = errors.New("the order continued as new")

	// errAccepted means that the order accepted the message, and that its effect is not
	// known yet. The error it is joined with says why.
	errAccepted = errors.New("the order accepted the message")

	// errEarly means that the order refused the message and may accept it later. It is
	// joined with the conflict.
	errEarly = errors.New("the order may accept the message later")
)

// orderMessage is a message for an order's workflow, which is sent as an update.
type orderMessage struct {
	name     string
	updateID string // a request with the id of an earlier one joins that update
	content  any
}

// update sends a message to the order's workflow and waits for its effect. It returns
// errNoWorkflow if none is running, errContinued if the order continued as new meanwhile,
// a conflict if the workflow refuses, and context.DeadlineExceeded if it takes too long.
// An error of an accepted message is errAccepted too.
func (a *api) update(ctx context.Context, id string, message orderMessage) (state order.State, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.updateWait)
	defer cancel()
	run, err := a.findRun(ctx, id)
	switch {
	case err != nil && ctx.Err() != nil:
		return state, fmt.Errorf("%s: %w", message.name, context.DeadlineExceeded)
	case err != nil:
		return state, err
	}
	handle, err := a.workflows.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: message.name, Args: []any{message.content}, UpdateID: message.updateID,
		// The run may continue as new meanwhile. Any other workflow that has the id by
		// then must not receive the update.
		FirstExecutionRunID: run.chain,
		WaitForStage:        client.WorkflowUpdateStageAccepted,
	})
	if err != nil {
		return state, updateError(ctx, message.name, err)
	}
	if err = handle.Get(ctx, &state); err != nil {
		return state, updateOutcome(updateError(ctx, message.name, err))
	}
	return state, nil
}

// updateError returns what an error of an update means for the request.
func updateError(ctx context.Context, name string, err error) error {
	var refused *temporal.ApplicationError
	var late *client.WorkflowUpdateServiceTimeoutOrCanceledError
	switch {
	case isNotFound(err), errors.As(err, &refused) && refused.Type() == acceptedThenClosed:
		return errNoWorkflow
	case errors.As(err, &refused) && refused.Type() == workflows.Continued:
		return fmt.Errorf("%w: %w", errAccepted, errContinued)
	case errors.As(err, &refused) && refused.Type() == workflows.Early:
		return errors.Join(errEarly, conflict(refused.Message()))
	case errors.As(err, &refused) && refused.Type() == workflows.Refused:
		return conflict(refused.Message())
	case errors.As(err, &late), ctx.Err() != nil:
		return fmt.Errorf("%s: %w", name, context.DeadlineExceeded)
	default:
		return fmt.Errorf("%s: %w", name, err)
	}
}

// updateOutcome adds errAccepted to the error of an update that was sent, if its effect is
// still to come.
func updateOutcome(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || isOutage(err) {
		return fmt.Errorf("%w: %w", errAccepted, err)
	}
	return err
}
