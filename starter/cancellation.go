package main

import (
	"context"
	"errors"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// errNotPlaced says that an order's stream holds no order yet. Events of one stream may overtake each other in a
// persistent subscription, so it is worth waiting a moment.
var errNotPlaced = errors.New("the order has not been placed")

// cancellationRequested signals the order's workflow. When there is none, the stream tells whether the order was placed:
// then the workflow is started together with the signal, unless it is closed.
func (b *bridge) cancellationRequested(ctx context.Context, event kurrent.Event) (result, error) {
	cancellation, err := order.DecodeCancellation(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return "", park("%s", err)
	}
	message := workflows.CancelOrder{Reason: cancellation.Reason}
	failpoint.Hit("starter.signal.before")
	err = b.temporal.SignalWorkflow(ctx, cancellation.OrderID, "", workflows.CancelOrderMessage, message)
	switch {
	case err == nil:
		failpoint.Hit("starter.signal.after")
		return resultSignalled, nil
	case !isNotFound(err):
		return "", err
	}
	return b.startCancelled(ctx, event.Stream, message)
}

// unreadable parks what refers to an order that was parked itself.
func unreadable(err error) error {
	var invalid *order.InvalidError
	if errors.As(err, &invalid) {
		return park("%s: %s", reasonOrderUnknown, invalid)
	}
	return err
}

func (b *bridge) startCancelled(ctx context.Context, stream string, message workflows.CancelOrder) (result, error) {
	placed, err := b.events.FindPlaced(ctx, stream)
	switch {
	case errors.Is(err, kurrent.ErrNotFound):
		return "", errNotPlaced
	case errors.Is(err, kurrent.ErrDeleted):
		return resultIgnored, nil // the order was erased
	case err != nil:
		return "", unreadable(err)
	}
	input, err := orderInput(placed)
	if err != nil {
		return "", err
	}
	options := orderOptions(input)
	options.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	failpoint.Hit("starter.signal-with-start.before")
	_, err = b.temporal.SignalWithStartWorkflow(ctx, input.OrderID, workflows.CancelOrderMessage, message,
		options, workflows.OrderFulfillmentType, input)
	switch {
	case temporal.IsWorkflowExecutionAlreadyStartedError(err):
		return resultLate, nil
	case err != nil:
		return "", err
	}
	failpoint.Hit("starter.signal-with-start.after")
	return resultSignalled, nil
}
