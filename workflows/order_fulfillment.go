package workflows

import (
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/order"
)

// OrderFulfillment runs one placed order. It reserves credit, starts the fulfillment,
// sends the confirmation email in the background, waits for the shipment and closes the
// order. If the order is canceled or cannot proceed, it compensates what it did.
//
// A refusal is a result. The workflow fails, after compensation, only if something is
// broken that an operator has to look at, and it closes as Canceled after a native
// cancellation.
func OrderFulfillment(ctx workflow.Context, in Input) (*order.State, error) {
	if err := in.validate(); err != nil {
		return nil, temporal.NewNonRetryableApplicationError(err.Error(), "INVALID_INPUT", nil)
	}
	in.requireKnownRules()
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

// finish completes what is open when the order has ended. From here on the run does not
// continue as new.
func (o *orderRun) finish(ctx workflow.Context) {
	o.countClosed(ctx)
	o.finishing, o.continuing = true, false
	o.handOverLeft(ctx)
	o.awaitEmails(ctx)
	// A disconnected context is never canceled, so the wait cannot fail.
	_ = workflow.Await(disconnected(ctx), func() bool { return len(o.sends.handOvers) == 0 })
	o.closeMessages(ctx)
	o.logger(ctx).Info("order closed", "status", o.state.Status, "reason", o.state.Reason)
}

// run runs the order to its end, or undoes it. It continues where an earlier run left
// off. It returns the error the workflow ends with, or errContinueAsNew.
func (o *orderRun) run(ctx workflow.Context) error {
	if o.phase != phaseUndoing {
		err := o.fulfill(ctx)
		if err == nil || errors.Is(err, errContinueAsNew) {
			return err
		}
		o.outcome = o.classifyFailure(err)
		o.clearStuck(o.stepsCtx, StepReserveCredit) // an earlier run may have left them
		o.clearStuck(o.stepsCtx, StepStartFulfillment)
	}
	err := o.undo(ctx)
	if errors.Is(err, errParcelLeft) {
		o.refusing = false
		return o.shipRest(ctx)
	}
	return err
}

// fulfill runs the order from credit to shipment. An error other than errContinueAsNew
// means that the order has to be undone.
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
		if reason := refusalReason(decision); reason != "" {
			return o.refuse(ctx, reason)
		}
		if err := o.startFulfillment(); err != nil || o.final() {
			return err
		}
	}
	return o.shipParcels(ctx)
}

// shipping reports whether an earlier run was closing the order as shipped.
func (o *orderRun) shipping() bool {
	return o.phase == phaseClosing && o.state.Status == order.StatusFulfilling && o.parcels.any()
}

// result returns the workflow's result and error.
func (o *orderRun) result(err error) (*order.State, error) {
	var appErr *temporal.ApplicationError
	switch {
	case err == nil:
		return o.snapshot(), nil
	case errors.As(err, &appErr):
		return nil, temporal.NewNonRetryableApplicationError(appErr.Message(), string(o.state.Reason), nil, o.state)
	default:
		return nil, temporal.NewCanceledError(o.state)
	}
}
