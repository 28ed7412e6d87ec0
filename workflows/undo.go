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

// compensation undoes one step. It is idempotent, and harmless when the step had no effect.
type compensation struct {
	name string
	step string // what it is called when it is stuck
	undo func(ctx workflow.Context) error
}

func (o *orderRun) onUndo(name, step string, undo func(ctx workflow.Context) error) {
	o.compensations = append(o.compensations, compensation{name: name, step: step, undo: undo})
}

// undo compensates what was done, in reverse, for as long as it takes, and returns what the workflow has to end with:
// nothing after cancel-order or when the order turned out to be closed already, the cause otherwise.
func (o *orderRun) undo(ctx workflow.Context) error {
	ctx = disconnected(ctx)
	o.enter(phaseUndoing, order.StatusCancelling, o.state.Reason)
	for _, c := range slices.Backward(o.compensations) {
		if err := o.untilDone(ctx, c.step, c.undo); err != nil {
			return err
		}
		if closed := o.closedAs.Status; closed != "" && closed != order.StatusCancelled {
			// The order was shipped or rejected before this run, and ends so. What a shipped one reserved stays reserved;
			// adopt gives back what this run reserved for a rejected one.
			o.outcome = nil
			break
		}
	}
	if err := o.adopt(ctx, o.closedAs); err != nil {
		return err
	}
	return cmp.Or(o.mismatch, o.outcome)
}

// classifyFailure turns the error that stopped the order into its reason, and returns the error the workflow ends with.
func (o *orderRun) classifyFailure(cause error) error {
	var broken *temporal.ApplicationError
	switch {
	case o.cancel != nil:
		o.state.Reason, o.state.Code = order.ReasonCancelled, o.cancel.Reason
		return nil
	case o.canceledNatively():
		o.state.Reason = order.ReasonCancelled
		return temporal.NewCanceledError()
	case errors.As(cause, &broken) && broken.Type() == activities.TypeOrderGone:
		o.state.Reason = order.ReasonOrderGone
	case errors.As(cause, &broken):
		o.state.Reason = order.ReasonFulfillmentFailed
	default:
		o.state.Reason = order.ReasonFulfillmentFailed
		return temporal.NewApplicationError(cause.Error(), string(o.state.Reason))
	}
	return broken
}
