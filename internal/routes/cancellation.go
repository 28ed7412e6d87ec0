package routes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// ErrNotPlaced means that an order's stream holds no order yet. A persistent subscription
// may deliver the events of one stream out of order, so a short wait is worthwhile.
var ErrNotPlaced = errors.New("the order has not been placed")

// maxDescribes bounds how often one attempt describes an event's workflow. Its runs may
// end while it is signaled.
const maxDescribes = 4

// handleCancellation signals the order's workflow. If there is none, it looks for the
// order on the order's stream and starts the workflow first.
func (r *Router) handleCancellation(ctx context.Context, event kurrent.Event) (Result, error) {
	cancellation, err := order.DecodeCancellation(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return "", park("%s", err)
	}
	for range maxDescribes {
		run, err := r.findExecution(ctx, cancellation.OrderID, workflows.OrderFulfillmentType)
		switch {
		case err != nil:
			return "", err
		case run.closed:
			return Late, nil
		case run.runID == "":
			if outcome, err := r.startEarly(ctx, event.Stream); outcome != "" || err != nil {
				return outcome, err
			}
			continue
		}
		err = r.signalRun(ctx, cancellation.OrderID, run.runID, workflows.CancelOrder{Reason: cancellation.Reason})
		if !temporalclient.IsNotFound(err) {
			return Signalled, err
		}
		// That run has ended since. Only describing the workflow again shows whether the
		// order has closed or continued as new.
	}
	return "", ErrRunChanged
}

// signalRun signals exactly one run: the workflow id may belong to a foreign workflow by
// then. It returns a *serviceerror.NotFound if the run has ended.
func (r *Router) signalRun(ctx context.Context, orderID, runID string, message workflows.CancelOrder) error {
	failpoint.Hit("starter.signal.before")
	err := r.Temporal.SignalWorkflow(ctx, orderID, runID, workflows.CancelOrderMessage, message)
	if err != nil {
		return fmt.Errorf("signal workflow %s: %w", orderID, err)
	}
	failpoint.Hit("starter.signal.after")
	return nil
}

// CancelOpen asks the order's open workflow to cancel. It does nothing if the workflow has
// closed or does not exist, or if another workflow has the order's id.
func (r *Router) CancelOpen(ctx context.Context, orderID, reason string) error {
	run, err := r.findExecution(ctx, orderID, workflows.OrderFulfillmentType)
	var foreign *ParkError
	switch {
	case errors.As(err, &foreign), err == nil && (run.closed || run.runID == ""):
		return nil
	case err != nil:
		return err
	}
	err = r.signalRun(ctx, orderID, run.runID, workflows.CancelOrder{Reason: reason})
	if temporalclient.IsNotFound(err) {
		return nil
	}
	return err
}

// findOrder returns the event that placed the order of a stream, and reports whether the
// stream was deleted. It returns ErrNotPlaced if there is no order yet, and a ParkError
// if the order itself was parked.
func (r *Router) findOrder(ctx context.Context, stream string) (placed kurrent.Event, erased bool, err error) {
	placed, err = r.Orders.FindPlaced(ctx, stream)
	switch {
	case errors.Is(err, kurrent.ErrNotFound):
		return kurrent.Event{}, false, ErrNotPlaced
	case errors.Is(err, kurrent.ErrDeleted):
		return kurrent.Event{}, true, nil
	default:
		return placed, false, parkIfOrderParked(err)
	}
}

// parkIfOrderParked returns a ParkError for an event whose order cannot be decoded and
// was parked itself.
func parkIfOrderParked(err error) error {
	var invalid *order.InvalidError
	if errors.As(err, &invalid) {
		return ParkAfterReply("%s: %s", ReasonOrderUnknown, invalid)
	}
	return err
}

// earlyStartDelay delays the first task of a workflow that is started for its
// cancellation. The signal that follows arrives within it, so the order does nothing that
// needs compensation.
const earlyStartDelay = 2 * time.Second

// startEarly starts the workflow of an order whose cancellation came first. It returns
// Ignored if the order was erased, and an empty result once there is a workflow to
// signal.
//
// Signal-with-start would do both at once. But it would also signal any workflow that
// took the id in the meantime, for the server refuses the conflict policy FAIL for it.
func (r *Router) startEarly(ctx context.Context, stream string) (Result, error) {
	placed, erased, err := r.findOrder(ctx, stream)
	switch {
	case err != nil:
		return "", err
	case erased:
		return Ignored, nil
	}
	input, err := Input(placed)
	if err != nil {
		return "", err
	}
	options := orderOptions(input)
	options.StartDelay = earlyStartDelay
	failpoint.Hit("starter.start-early.before")
	_, err = r.Temporal.ExecuteWorkflow(ctx, options, workflows.OrderFulfillmentType, input)
	switch {
	case temporal.IsWorkflowExecutionAlreadyStartedError(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("start workflow %s: %w", input.OrderID, err)
	}
	failpoint.Hit("starter.start-early.after")
	return "", nil
}
