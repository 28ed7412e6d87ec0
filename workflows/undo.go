package workflows

import (
	"cmp"
	"errors"
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/order"
)

// compensation undoes one step. It is idempotent, and has no effect if the step had none.
type compensation struct {
	name string
	step string // the value of OrderStuck if it is stuck
	undo func(ctx workflow.Context) error
}

func (o *orderRun) addCompensation(name, step string, undo func(ctx workflow.Context) error) {
	o.compensations = append(o.compensations, compensation{name: name, step: step, undo: undo})
}

// undo runs the compensations in reverse order, each retried until it succeeds. It
// returns errParcelLeft if a parcel of the order has left, so that it cannot be undone, and
// else the error the workflow ends with: nil after cancel-order or if the order turned
// out to be closed already, the cause otherwise.
func (o *orderRun) undo(ctx workflow.Context) error {
	ctx = disconnected(ctx)
	o.setPhase(phaseUndoing, order.StatusCancelling, o.state.Reason)
	for _, c := range slices.Backward(o.compensations) {
		if err := o.retryUntilDone(ctx, c.step, c.undo); err != nil {
			return err
		}
		if closed := o.closedAs.Status; closed != "" && closed != order.StatusCancelled {
			if !closed.Final() {
				return errParcelLeft
			}
			// The order was shipped or rejected before this run, and keeps that status.
			// What a shipped order reserved stays reserved; applyRow releases what this
			// run reserved for a rejected one.
			o.outcome, o.closedBefore = nil, true
			break
		}
	}
	if err := o.applyRow(ctx, o.closedAs); err != nil {
		return err
	}
	return cmp.Or(o.mismatch, o.outcome)
}

// classifyFailure sets the order's reason from the error that stopped it, and returns the
// error the workflow ends with.
func (o *orderRun) classifyFailure(cause error) error {
	var appErr *temporal.ApplicationError
	switch {
	case o.cancel != nil:
		o.state.Reason, o.state.Code = order.ReasonCancelled, o.cancel.Reason
		return nil
	case o.canceledNatively():
		o.state.Reason = order.ReasonCancelled
		return temporal.NewCanceledError()
	case o.declinedLate(cause):
		o.state.Reason = order.ReasonCreditDeclined
		return nil
	case errors.As(cause, &appErr) && appErr.Type() == activities.TypeOrderGone:
		o.state.Reason = order.ReasonOrderGone
	case errors.As(cause, &appErr):
		o.state.Reason = order.ReasonFulfillmentFailed
	default:
		o.state.Reason = order.ReasonFulfillmentFailed
		return temporal.NewApplicationError(cause.Error(), string(o.state.Reason))
	}
	return appErr
}

// declinedLate reports whether an order that was declined could not be rejected because a
// run that is gone had started its fulfillment.
func (o *orderRun) declinedLate(cause error) bool {
	var appErr *temporal.ApplicationError
	return o.refusing && o.state.Reason == order.ReasonCreditDeclined && o.state.Credit == order.CreditReserved &&
		errors.As(cause, &appErr) && appErr.Type() == activities.TypeFulfillmentFailed
}
