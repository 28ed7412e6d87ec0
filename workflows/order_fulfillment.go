package workflows

import (
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

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
	err = o.run(ctx)
	if errors.Is(err, errContinueAsNew) {
		return nil, o.continueAsNew(ctx)
	}
	o.finish(ctx)
	return o.result(err)
}

// finish settles what is open when the order has come to its end. From here on the run does not continue as new.
func (o *orderRun) finish(ctx workflow.Context) {
	o.finishing, o.continuing = true, false
	o.handOverLeft(ctx)
	o.settleMails(ctx)
	// A disconnected context is never canceled, so the wait cannot fail.
	_ = workflow.Await(disconnected(ctx), func() bool { return len(o.mails.handOvers) == 0 })
	o.closeMessages(ctx)
}

// run brings the order to its end, or undoes it, from wherever an earlier run left off. It returns what the workflow has
// to end with, or errContinueAsNew.
func (o *orderRun) run(ctx workflow.Context) error {
	if o.phase != phaseUndoing {
		err := o.fulfill(ctx)
		if err == nil || errors.Is(err, errContinueAsNew) {
			return err
		}
		o.outcome = o.classifyFailure(err)
		o.clear(o.steps, StepReserveCredit) // an earlier run may have left them
		o.clear(o.steps, StepStartFulfillment)
	}
	return o.undo(ctx)
}

// fulfill takes the order from credit to shipment when nothing comes between. An error other than errContinueAsNew means
// that what was done has to be undone.
func (o *orderRun) fulfill(ctx workflow.Context) error {
	switch {
	case o.shipping():
		return o.ship(ctx)
	case o.refusing:
		return o.refuse(ctx, o.state.Reason)
	}
	if o.phase != phaseFulfilling {
		decision, err := o.obtainCredit(ctx)
		if err != nil {
			return err
		}
		if reason := refusal(decision); reason != "" {
			return o.refuse(ctx, reason)
		}
		if err := o.startFulfillment(); err != nil || o.final() {
			return err
		}
	}
	if err := o.waitForShipment(ctx); err != nil {
		return err
	}
	return o.ship(ctx)
}

// shipping reports whether an earlier run was closing the order as shipped.
func (o *orderRun) shipping() bool {
	return o.phase == phaseClosing && o.state.Status == order.StatusFulfilling && o.shipment != nil
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
