package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"orderflow/internal/order"
)

// The metrics of orders. The SDK's handler is silent during a replay, but a workflow task
// that is executed again after its worker died counts again: each is counted at least
// once. An order whose row an earlier run had closed is not counted.
const (
	metricConfirmed = "orderflow_order_time_to_confirm"
	metricShipped   = "orderflow_order_time_to_ship"
	metricClosed    = "orderflow_orders_closed"
)

// reasonNone and reasonOther are the metric's values for an order without a reason, and
// for a reason of another version, so that the values are bounded.
const (
	reasonNone  = "none"
	reasonOther = "other"
)

// recordTimeSincePlaced records how long ago KurrentDB wrote the order's event. A producer
// may append old orders, so their own time does not matter. An order that was started
// without that time, by an earlier version or by hand, has only its own. The server that
// wrote it may have a clock ahead of Temporal's.
func (o *orderRun) recordTimeSincePlaced(ctx workflow.Context, metric string) {
	placed := o.in.WrittenAt
	if placed.IsZero() {
		placed = o.in.PlacedAt
	}
	workflow.GetMetricsHandler(ctx).Timer(metric).Record(max(0, workflow.Now(ctx).Sub(placed).Round(time.Millisecond)))
}

// countClosed counts the order, once this run has closed it.
func (o *orderRun) countClosed(ctx workflow.Context) {
	if o.closedBefore || !o.state.Status.Final() {
		return
	}
	if o.state.Status == order.StatusShipped {
		o.recordTimeSincePlaced(ctx, metricShipped)
	}
	workflow.GetMetricsHandler(ctx).WithTags(map[string]string{
		"status": string(o.state.Status), "reason": reasonLabel(o.state.Reason),
	}).Counter(metricClosed).Inc(1)
}

func reasonLabel(r order.Reason) string {
	switch {
	case r == "":
		return reasonNone
	case slices.Contains(order.Reasons(), r):
		return string(r)
	default:
		return reasonOther
	}
}
