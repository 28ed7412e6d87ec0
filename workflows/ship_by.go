package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// shipBy is when an order should have shipped. An order that still waits for a parcel then
// is late: it shows that, and nothing else follows from it.
type shipBy struct {
	at   time.Time // zero for never
	late bool
}

// watchShipBy marks the order as late if it still waits at the given time. It runs in the
// background. The time comes with the order's row, so it is the same in each of its runs.
func (o *orderRun) watchShipBy(ctx workflow.Context, at time.Time) {
	o.shipBy.at, o.state.ShipBy = at, at
	if at.IsZero() || o.shipBy.late {
		return
	}
	workflow.GoNamed(disconnected(ctx), "ship by", func(ctx workflow.Context) {
		wait := workflow.AwaitOptions{
			Timeout: max(at.Sub(workflow.Now(ctx)), 0), TimerOptions: workflow.TimerOptions{Summary: "ship by"},
		}
		// A disconnected context is never canceled, so the wait cannot fail.
		met, _ := workflow.AwaitWithOptions(ctx, wait, func() bool { return o.phase != phaseFulfilling || o.continuing })
		if !met && o.phase == phaseFulfilling {
			o.markLate(ctx)
		}
	})
}

func (o *orderRun) markLate(ctx workflow.Context) {
	o.shipBy.late, o.state.Late = true, true
	o.logger(ctx).Warn("order is late")
	o.showProgress(ctx)
	if err := workflow.UpsertTypedSearchAttributes(ctx, lateKey().ValueSet(true)); err != nil {
		o.logger(ctx).Error("cannot set search attribute", "error", err)
	}
}

// endLate returns what to do with the search attribute of an order that has ended: it is
// unset if it was set.
func (o *orderRun) endLate() []temporal.SearchAttributeUpdate {
	if !o.state.Status.Final() || !o.shipBy.late {
		return nil
	}
	o.shipBy.late, o.state.Late = false, false
	return []temporal.SearchAttributeUpdate{lateKey().ValueUnset()}
}

// lateAttribute returns what the search attribute should be. Of an order that is never
// late, it stays as it is.
func (o *orderRun) lateAttribute() []temporal.SearchAttributeUpdate {
	switch {
	case o.shipBy.at.IsZero():
		return nil
	case o.shipBy.late:
		return []temporal.SearchAttributeUpdate{lateKey().ValueSet(true)}
	default:
		return []temporal.SearchAttributeUpdate{lateKey().ValueUnset()}
	}
}
