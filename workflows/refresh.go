package workflows

import (
	"fmt"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// RefreshSignal asks an open workflow to set all its search attributes again. `orderflow
// setup` sends it after search attributes were removed from a namespace and created
// again, which leaves open workflows without their values, or with those of another
// attribute. Its payload is ignored, and it changes nothing else.
const RefreshSignal = "refresh-search-attributes"

// RefreshableTypes returns the types of the workflows that act on RefreshSignal.
func RefreshableTypes() []string {
	return []string{OrderFulfillmentType, OrderRepairType, OrderSettlementType, OrderRestoreType, CreditReviewType}
}

// StartedWithAttributes returns the types of the workflows that have every search
// attribute of Input.SearchAttributes from their start on.
func StartedWithAttributes() []string { return []string{OrderFulfillmentType, OrderRepairType} }

// refresher acts on RefreshSignal.
type refresher struct {
	steps     *stepper
	signals   workflow.ReceiveChannel
	refreshed int // signals so far
	current   func() []temporal.SearchAttributeUpdate
}

// acceptRefresh starts acting on RefreshSignal, in the background. current returns what
// the search attributes should be.
func (s *stepper) acceptRefresh(ctx workflow.Context, current func() []temporal.SearchAttributeUpdate) *refresher {
	r := &refresher{steps: s, current: current}
	r.signals = workflow.GetSignalChannelWithOptions(ctx, RefreshSignal,
		workflow.SignalChannelOptions{Description: "Set the search attributes again, after they were removed and created again."})
	workflow.GoNamed(ctx, RefreshSignal, func(ctx workflow.Context) {
		for {
			var raw converter.RawValue
			r.signals.Receive(ctx, &raw)
			r.refresh(ctx)
		}
	})
	return r
}

// drain acts on the signals that are still unread.
func (r *refresher) drain(ctx workflow.Context) {
	var raw converter.RawValue
	for r.signals.ReceiveAsync(&raw) {
		r.refresh(ctx)
	}
}

// refresh sets the search attributes. A signal in a history from before this signal
// existed stays without effect. Each signal is a change id of its own: an order that
// ignored one can act on the next.
func (r *refresher) refresh(ctx workflow.Context) {
	change := versionRefresh
	if r.refreshed++; r.refreshed > 1 {
		change = fmt.Sprintf("%s-%d", versionRefresh, r.refreshed)
	}
	if !r.steps.follows(ctx, change) {
		r.steps.countUnusable(ctx, unknownMessage, errUnknownMessage)
		return
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, r.current()...); err != nil {
		r.steps.logger(ctx).Error("cannot set search attributes", "error", err)
	}
}

// attributes returns what the search attributes of the order should be. It unsets what
// the order does not have: a search attribute that was created again may show a value of
// another one.
func (o *orderRun) attributes() []temporal.SearchAttributeUpdate {
	return append(append(o.in.attributes(o.publishedStatus), o.stuckAttribute()...), o.lateAttribute()...)
}

// stuckAttribute returns what the search attribute with the stuck step should be.
func (s *stepper) stuckAttribute() []temporal.SearchAttributeUpdate {
	if s.publishedStep == "" {
		return []temporal.SearchAttributeUpdate{stuckKey().ValueUnset()}
	}
	return []temporal.SearchAttributeUpdate{stuckKey().ValueSet(s.publishedStep)}
}
