package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// errNotPlaced says that an order's stream holds no order yet. Events of one stream may overtake each other in a
// persistent subscription, so it is worth waiting a moment.
var errNotPlaced = errors.New("the order has not been placed")

// maxLooks bounds how often an event's workflow is described in one attempt: its runs may end while it is signaled.
const maxLooks = 4

// cancellationRequested signals the order's workflow. If there is none, the order's stream says whether the order was
// placed, and the workflow is started first.
func (b *bridge) cancellationRequested(ctx context.Context, event kurrent.Event) (result, error) {
	cancellation, err := order.DecodeCancellation(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return "", park("%s", err)
	}
	for range maxLooks {
		run, err := b.findExecution(ctx, cancellation.OrderID, workflows.OrderFulfillmentType)
		switch {
		case err != nil:
			return "", err
		case run.closed:
			return resultLate, nil
		case run.runID == "":
			if outcome, err := b.startEarly(ctx, event.Stream); outcome != "" || err != nil {
				return outcome, err
			}
			continue
		}
		err = b.signalRun(ctx, cancellation.OrderID, run.runID, workflows.CancelOrder{Reason: cancellation.Reason})
		if !isNotFound(err) {
			return resultSignalled, err
		}
		// That run has ended since. Only another look tells an order that has closed from one that continued as new.
	}
	return "", errRunChanged
}

// signalRun signals one run and no other: what has its workflow id by then may be a foreign workflow. It returns a
// *serviceerror.NotFound if the run has ended.
func (b *bridge) signalRun(ctx context.Context, orderID, runID string, message workflows.CancelOrder) error {
	failpoint.Hit("starter.signal.before")
	err := b.temporal.SignalWorkflow(ctx, orderID, runID, workflows.CancelOrderMessage, message)
	if err != nil {
		return fmt.Errorf("signal workflow %s: %w", orderID, err)
	}
	failpoint.Hit("starter.signal.after")
	return nil
}

// orderOf returns the event that the order of a stream was placed with, and reports whether the stream was deleted. It
// returns errNotPlaced if there is no order yet, and a parkError if the order was parked itself.
func (b *bridge) orderOf(ctx context.Context, stream string) (placed kurrent.Event, erased bool, err error) {
	placed, err = b.events.FindPlaced(ctx, stream)
	switch {
	case errors.Is(err, kurrent.ErrNotFound):
		return kurrent.Event{}, false, errNotPlaced
	case errors.Is(err, kurrent.ErrDeleted):
		return kurrent.Event{}, true, nil
	default:
		return placed, false, unreadable(err)
	}
}

// unreadable parks what refers to an order that was parked itself.
func unreadable(err error) error {
	var invalid *order.InvalidError
	if errors.As(err, &invalid) {
		return parkAnswered("%s: %s", reasonOrderUnknown, invalid)
	}
	return err
}

// signalFirst is how long a workflow that is started for its cancellation waits with its first task, so that the signal
// that follows is there by then and the order does nothing that has to be undone.
const signalFirst = 2 * time.Second

// startEarly starts the workflow of an order whose cancellation came first. It returns resultIgnored if the order was
// erased, and no result once there is a workflow to signal.
//
// Signal-with-start would do both at once. It would also signal whatever took the workflow id since the last look: the
// server refuses the conflict policy FAIL for it.
func (b *bridge) startEarly(ctx context.Context, stream string) (result, error) {
	placed, erased, err := b.orderOf(ctx, stream)
	switch {
	case err != nil:
		return "", err
	case erased:
		return resultIgnored, nil
	}
	input, err := orderInput(placed)
	if err != nil {
		return "", err
	}
	options := orderOptions(input)
	options.StartDelay = signalFirst
	failpoint.Hit("starter.start-early.before")
	_, err = b.temporal.ExecuteWorkflow(ctx, options, workflows.OrderFulfillmentType, input)
	switch {
	case temporal.IsWorkflowExecutionAlreadyStartedError(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("start workflow %s: %w", input.OrderID, err)
	}
	failpoint.Hit("starter.start-early.after")
	return "", nil
}
