package workflows

import (
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/order"
)

// orderLogger returns the SDK's logger, which is silent during a replay, with the order's
// id, and the id of the trace that its producer has begun.
func orderLogger(ctx workflow.Context, orderID string, source order.Source) log.Logger {
	fields := []any{"order", orderID}
	if id := traceID(source.Traceparent); id != "" {
		fields = append(fields, "trace_id", id)
	}
	return log.With(workflow.GetLogger(ctx), fields...)
}

// traceID returns the trace id in a W3C trace context, whose form the bridge has checked,
// or an empty string.
func traceID(traceparent string) string {
	const begin, end = len("00-"), len("00-") + 32
	if len(traceparent) < end {
		return ""
	}
	return traceparent[begin:end]
}

func (o *orderRun) logger(ctx workflow.Context) log.Logger {
	return orderLogger(ctx, o.in.OrderID, o.in.Source)
}
