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

// errNotPlaced means that an order's stream holds no order yet. A persistent subscription
// may deliver the events of one stream out of order, so a short wait is worthwhile.
var errNotPlaced = errors.New("the order has not been placed")

// maxDescribes bounds how often one attempt describes an event's workflow. Its runs may
// end while it is signaled.
const maxDescribes = 4

// handleCancellation signals the order's workflow. If there is none, it looks for the
// order on the order's stream and starts the workflow first.
func (b *bridge) handleCancellation(ctx context.Context, event kurrent.Event) (result, error) {
	cancellation, err := order.DecodeCancellation(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return "", park("%s", err)
	}
	for range maxDescribes {
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
		// That run has ended since. Only describing the workflow again shows whether the
		// order has closed or continued as new.
	}
	return "", errRunChanged
}

// signalRun signals exactly one run: the workflow id may belong to a foreign workflow by
// then. It returns a *serviceerror.NotFound if the run has ended.
func (b *bridge) signalRun(ctx context.Context, orderID, runID string, message workflows.CancelOrder) error {
	failpoint.Hit("starter.signal.before")
	err := b.temporal.SignalWorkflow(ctx, orderID, runID, workflows.CancelOrderMessage, message)
	if err != nil {
		return fmt.Errorf("signal workflow %s: %w", orderID, err)
	}
	failpoint.Hit("starter.signal.after")
	return nil
}

// findOrder returns the event that placed the order of a stream, and reports whether the
// stream was deleted. It returns errNotPlaced if there is no order yet, and a parkError
// if the order itself was parked.
func (b *bridge) findOrder(ctx context.Context, stream string) (placed kurrent.Event, erased bool, err error) {
	placed, err = b.events.FindPlaced(ctx, stream)
	switch {
	case errors.Is(err, kurrent.ErrNotFound):
		return kurrent.Event{}, false, errNotPlaced
	case errors.Is(err, kurrent.ErrDeleted):
		return kurrent.Event{}, true, nil
	default:
		return placed, false, parkIfOrderParked(err)
	}
}

// parkIfOrderParked returns a parkError for an event whose order cannot be decoded and
// was parked itself.
func parkIfOrderParked(err error) error {
	var invalid *order.InvalidError
	if errors.As(err, &invalid) {
		return parkAfterReply("%s: %s", reasonOrderUnknown, invalid)
	}
	return err
}

// earlyStartDelay delays the first task of a workflow that is started for its
// cancellation. The signal that follows arrives within it, so the order does nothing that
// needs compensation.
const earlyStartDelay = 2 * time.Second

// startEarly starts the workflow of an order whose cancellation came first. It returns
// resultIgnored if the order was erased, and an empty result once there is a workflow to
// signal.
//
// Signal-with-start would do both at once. But it would also signal any workflow that
// took the id in the meantime, for the server refuses the conflict policy FAIL for it.
func (b *bridge) startEarly(ctx context.Context, stream string) (result, error) {
	placed, erased, err := b.findOrder(ctx, stream)
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
	options.StartDelay = earlyStartDelay
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
