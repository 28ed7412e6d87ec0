package workflows

import (
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// OrderFulfillment carries one placed order: it reserves credit, starts the fulfilment, confirms by mail beside the wait,
// waits for the shipment and closes the order; or undoes what it did when the order is cancelled or cannot go through.
//
// A refusal is a result. The workflow fails, after undoing, only when something is broken and somebody has to look, and
// closes as Canceled after a native cancellation.
func OrderFulfillment(ctx workflow.Context, in Input) (*order.State, error) {
	if err := in.validate(); err != nil {
		return nil, temporal.NewNonRetryableApplicationError(err.Error(), "INVALID_INPUT", nil)
	}
	o, err := newOrderRun(ctx, in)
	if err != nil {
		return nil, err
	}
	err = o.fulfil(ctx)
	if err != nil {
		err = o.undo(ctx, err)
	}
	o.settleMails(ctx)
	o.closeMessages(ctx)
	return o.result(err)
}

// fulfil is the order's way when nothing comes between. An error means that what was done has to be undone.
func (o *orderRun) fulfil(ctx workflow.Context) error {
	decision, err := o.reserveCredit("")
	if err == nil && decision.Verdict == credit.VerdictHeld {
		decision, err = o.hold(ctx, decision)
	}
	if err != nil {
		return err
	}
	if reason := refusal(decision); reason != "" {
		return o.refuse(ctx, reason)
	}
	if err := o.startFulfillment(); err != nil {
		return err
	}
	if o.final() {
		return nil
	}
	if err := o.waitForShipment(ctx); err != nil {
		return err
	}
	o.ship(ctx)
	return nil
}

// result tells Temporal how the order ended.
func (o *orderRun) result(err error) (*order.State, error) {
	var broken *temporal.ApplicationError
	switch {
	case err == nil:
		return o.snapshot(), nil
	case errors.As(err, &broken):
		return nil, temporal.NewNonRetryableApplicationError(broken.Message(), string(o.state.Reason), nil, o.state)
	default:
		return nil, temporal.NewCanceledError(o.state)
	}
}
