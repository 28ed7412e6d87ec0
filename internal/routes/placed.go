package routes

import (
	"cmp"
	"context"

	"go.temporal.io/sdk/client"

	"orderflow/bridge"
	"orderflow/internal/correlation"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// placed starts the order's workflow.
func (r orderRoutes) placed(ctx context.Context, event bridge.Event) (bridge.Action, error) {
	action, err := r.start(event)
	if err == nil && event.Revision > 0 {
		action, err = r.startFirst(ctx, event)
	}
	action = traced(ctx, action)
	if kurrent.IsGone(err) {
		return bridge.Ignore{}, nil // the order was erased while its event was being handled
	}
	return action, err
}

// traced lets an order whose producer does not trace continue the trace of the bridge.
func traced(ctx context.Context, action bridge.Action) bridge.Action {
	start, ok := action.(bridge.Start)
	if !ok {
		return action
	}
	input, ok := start.Args[0].(workflows.Input)
	if ok && input.Source.Traceparent == "" {
		input.Source.Traceparent = correlation.Traceparent(ctx)
		start.Args = []any{input}
	}
	return start
}

// startFirst returns the start for the first readable order-placed event of the stream.
// Only that one becomes the order: events are handled concurrently, so a second one could
// otherwise overtake it. An event that a forgetful producer has appended twice counts as
// the first.
func (r orderRoutes) startFirst(ctx context.Context, event bridge.Event) (bridge.Action, error) {
	first, err := r.orders.FindPlaced(ctx, event.Stream)
	if err != nil {
		return nil, err
	}
	if first.ID != event.ID {
		return nil, duplicateOrder(first.ID.String())
	}
	return r.start(bridge.Event(first))
}

func duplicateOrder(placedBy string) error {
	return bridge.Park("%s: the order was placed by event %s", reasonDuplicateOrder, cmp.Or(placedBy, "unknown"))
}

// start returns the start of the workflow of an order.
func (r orderRoutes) start(event bridge.Event) (bridge.Action, error) {
	input, err := Input(event)
	if err != nil {
		return nil, err
	}
	input.TotalHidden = r.attributes.TotalHidden
	return bridge.Start{
		Options: client.StartWorkflowOptions{
			ID:                    input.OrderID,
			TaskQueue:             workflows.TaskQueue,
			Memo:                  map[string]any{workflows.MemoSourceEventID: input.Source.EventID},
			TypedSearchAttributes: input.SearchAttributes(),
			StaticSummary:         input.Summary(),
			StaticDetails:         input.Details(),
			Priority:              workflows.CustomerPriority(input.CustomerID),
		},
		Workflow: workflows.OrderFulfillmentType,
		Args:     []any{input},
		Trace:    event.Trace(),
		EventID:  sourceEvent,
		Conflict: duplicateOrder,
	}, nil
}

// sourceEvent returns the id of the event in the input of an order's workflow.
func sourceEvent(decode func(into any) error) (string, error) {
	var input workflows.Input
	err := decode(&input)
	return input.Source.EventID, err
}

// Input returns the input of the workflow that an order-placed event starts. It drops all
// personal data.
func Input(event bridge.Event) (workflows.Input, error) {
	placed, err := order.DecodePlaced(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return workflows.Input{}, bridge.Park("%s", err)
	}
	return workflows.Input{
		OrderID: placed.OrderID, CustomerID: placed.CustomerID, Total: placed.Total, PlacedAt: placed.PlacedAt.UTC(), WrittenAt: event.Created.UTC(),
		Source: SourceOf(event), Rules: workflows.CurrentRules,
	}, nil
}

// SourceOf returns the position of an event, with the correlation and tracing ids of its
// metadata.
func SourceOf(event bridge.Event) order.Source {
	return order.Source{
		Stream: event.Stream, Revision: event.Revision, EventID: event.ID.String(), Trace: correlation.Decode(event.Metadata),
	}
}
