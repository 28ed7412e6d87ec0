package workflows

import (
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/order"
)

// orderLogger returns the SDK's logger, which is silent during a replay, with the order's
// id, and the id of its trace, which its producer, the api or the starter began.
func orderLogger(ctx workflow.Context, orderID string, source order.Source) log.Logger {
	fields := []any{"order", orderID}
	if id := source.TraceID(); id != "" {
		fields = append(fields, "trace_id", id)
	}
	return log.With(workflow.GetLogger(ctx), fields...)
}

// logger returns the logger of the order that the steps are about.
func (s *stepper) logger(ctx workflow.Context) log.Logger {
	return orderLogger(ctx, s.orderID, s.source)
}
