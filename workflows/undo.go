package workflows

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/order"
)

// compensation undoes one step. It is idempotent, and harmless when the step had no effect.
type compensation struct {
	name string
	undo func(ctx workflow.Context) error
}

func (o *orderRun) onUndo(name string, undo func(ctx workflow.Context) error) {
	o.compensations = append(o.compensations, compensation{name: name, undo: undo})
}

// undo compensates what was done, in reverse, for as long as it takes, and answers what the workflow has to end with:
// nothing after cancel-order or when the order turned out to be closed already, the cause otherwise.
func (o *orderRun) undo(ctx workflow.Context, cause error) error {
	outcome := o.blame(ctx, cause)
	ctx = afloat(ctx)
	o.enter(phaseUndoing, order.StatusCancelling, o.state.Reason)
	for _, c := range slices.Backward(o.compensations) {
		o.insist(ctx, c.name, c.undo)
		if closed := o.closedAs.Status; closed != "" && closed != order.StatusCancelled {
			// The order was shipped or rejected before this run, and ends so. What a shipped one reserved stays reserved;
			// adopt gives back what this run reserved for a rejected one.
			outcome = nil
			break
		}
	}
	o.adopt(ctx, o.closedAs)
	return cmp.Or(o.mismatch, outcome)
}

// blame turns the error that stopped the order into its reason, and into the error the workflow ends with.
func (o *orderRun) blame(ctx workflow.Context, cause error) error {
	var broken *temporal.ApplicationError
	switch {
	case o.cancel != nil:
		o.state.Reason, o.state.Code = order.ReasonCancelled, o.cancel.Reason
		return nil
	case ctx.Err() != nil:
		o.state.Reason = order.ReasonCancelled
		return ctx.Err()
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

// insist repeats what has to be done in the end, in rounds and for as long as it takes. While it cannot be done the order
// says so openly.
func (o *orderRun) insist(ctx workflow.Context, name string, do func(ctx workflow.Context) error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := do(ctx)
		if err == nil {
			o.obstacle = ""
			return
		}
		workflow.GetLogger(ctx).Error("order cannot proceed", "step", name, "error", err)
		workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"step": name}).Counter("orderflow_stuck_rounds").Inc(1)
		o.obstacle = name + ": " + strings.TrimPrefix(cause(err), name+": ")
		o.rest(ctx)
		timer := workflow.TimerOptions{Summary: "before trying to " + name + " again"}
		// The context is disconnected and never cancelled, so the pause cannot fail.
		_ = workflow.NewTimerWithOptions(ctx, pause, timer).Get(ctx, nil)
	}
}

// cause gives the innermost message of an activity's error: the outer ones only repeat the activity's name.
func cause(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Message()
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err.Error()
}
