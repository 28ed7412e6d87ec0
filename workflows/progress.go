package workflows

import (
	"fmt"
	"maps"
	"strings"

	"go.temporal.io/sdk/workflow"

	"orderflow/internal/order"
)

// enter begins a part of the way that takes other messages than the one before.
func (o *orderRun) enter(p phase, status order.Status, reason order.Reason) {
	o.phase = p
	o.state.Status, o.state.Reason = status, reason
	o.showProgress(o.steps)
}

// showProgress notes that something changed and shows it in the Web UI. It costs no history event.
func (o *orderRun) showProgress(ctx workflow.Context) {
	o.state.UpdatedAt = workflow.Now(ctx).UTC()
	workflow.SetCurrentDetails(ctx, o.details())
}

// rest publishes the status where the order comes to rest: for being listed by it, which costs an event each time.
func (o *orderRun) rest(ctx workflow.Context) {
	o.showProgress(ctx)
	if o.published == o.state.Status {
		return
	}
	o.published = o.state.Status
	if err := workflow.UpsertTypedSearchAttributes(ctx, statusKey().ValueSet(string(o.published))); err != nil {
		workflow.GetLogger(ctx).Error("status cannot be published", "error", err)
	}
}

func (o *orderRun) snapshot() *order.State {
	state := o.state
	state.Emails = maps.Clone(state.Emails)
	return &state
}

// details are the lines the Web UI shows while the order is on its way, in Temporal's markdown.
func (o *orderRun) details() string {
	var b strings.Builder
	if o.continued { // Temporal carries neither the summary nor the details of the first run over
		fmt.Fprintf(&b, "%s\n\n%s\n\n", o.in.Summary(), o.in.Details())
	}
	fmt.Fprintf(&b, "**%s**", o.state.Status)
	if o.state.Reason != "" {
		fmt.Fprintf(&b, ": `%s`", o.state.Reason)
	}
	if o.state.Code != "" {
		fmt.Fprintf(&b, " `%s`", o.state.Code)
	}
	fmt.Fprintf(&b, "\n\n- credit: %s\n- e-mail: %s\n", o.state.Credit, o.state.Email)
	if o.state.Carrier != "" {
		fmt.Fprintf(&b, "- shipped with `%s`, `%s`\n", o.state.Carrier, o.state.TrackingNumber)
	}
	for _, stuck := range o.stuck {
		fmt.Fprintf(&b, "- **stuck at `%s`**: %s\n", stuck.Step, stuck.Cause)
	}
	if unused := o.unusedShipment(); unused != nil {
		fmt.Fprintf(&b, "- shipment `%s` `%s` was signalled and cannot be used\n", unused.Carrier, unused.TrackingNumber)
	}
	return b.String()
}
