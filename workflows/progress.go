package workflows

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/order"
)

// setPhase begins a phase, which accepts other messages than the one before, and sets the
// order's status and reason. Only an order on hold has an end of its hold.
func (o *orderRun) setPhase(p phase, status order.Status, reason order.Reason) {
	o.phase = p
	o.state.Status, o.state.Reason = status, reason
	if status != order.StatusOnHold {
		o.state.HoldUntil = time.Time{}
	}
	o.showProgress(o.stepsCtx)
}

// showProgress records the time of a change and shows the order's state in the Web UI. It
// costs no history event.
func (o *orderRun) showProgress(ctx workflow.Context) {
	o.state.UpdatedAt = workflow.Now(ctx).UTC()
	workflow.SetCurrentDetails(ctx, o.details())
}

// publishStatus sets the status search attribute, so that orders can be listed by status.
// Each change costs a history event.
func (o *orderRun) publishStatus(ctx workflow.Context) {
	o.showProgress(ctx)
	if o.publishedStatus == o.state.Status {
		return
	}
	o.publishedStatus = o.state.Status
	updates := append([]temporal.SearchAttributeUpdate{statusKey().ValueSet(string(o.publishedStatus))}, o.endLate()...)
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		o.logger(ctx).Error("cannot set search attribute", "error", err)
	}
}

func (o *orderRun) snapshot() *order.State {
	state := o.state
	state.Emails = maps.Clone(state.Emails)
	return &state
}

// shownParcels limits the parcels that the Web UI shows, to the last ones.
const shownParcels = 10

// details returns the lines that the Web UI shows while the order runs, in Temporal's
// markdown.
func (o *orderRun) details() string {
	var b strings.Builder
	if o.continued { // continue-as-new drops the summary and details of the first run
		fmt.Fprintf(&b, "%s\n\n%s\n\n", o.in.Summary(), o.in.Details())
	}
	fmt.Fprintf(&b, "**%s**", o.state.Status)
	if o.state.Reason != "" {
		fmt.Fprintf(&b, ": `%s`", o.state.Reason)
	}
	if o.state.Code != "" {
		fmt.Fprintf(&b, " `%s`", o.state.Code)
	}
	b.WriteString("\n\n")
	for _, stuck := range o.stuck { // first: the Web UI may show only the beginning
		fmt.Fprintf(&b, "- **stuck at `%s`**: %s\n", stuck.Step, stuck.Cause)
	}
	fmt.Fprintf(&b, "- credit: %s\n- email: %s\n", o.state.Credit, o.state.Email)
	if !o.state.HoldUntil.IsZero() {
		fmt.Fprintf(&b, "- on hold until %s, or until enough credit is free\n", o.state.HoldUntil.Format(time.RFC3339))
	}
	if o.state.Late {
		fmt.Fprintf(&b, "- **late**: it should have shipped by %s\n", o.state.ShipBy.Format(time.RFC3339))
	}
	for i, p := range o.state.Parcels[max(0, len(o.state.Parcels)-shownParcels):] {
		fmt.Fprintf(&b, "- parcel %d with `%s`, `%s`\n", max(0, len(o.state.Parcels)-shownParcels)+i+1, p.Carrier, p.TrackingNumber)
	}
	if o.state.Carrier != "" {
		fmt.Fprintf(&b, "- shipped with `%s`, `%s`\n", o.state.Carrier, o.state.TrackingNumber)
	}
	if unused := o.unusedShipment(); unused != nil {
		fmt.Fprintf(&b, "- shipment `%s` `%s` was signaled and cannot be used\n", unused.Carrier, unused.TrackingNumber)
	}
	return b.String()
}
