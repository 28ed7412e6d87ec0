package routes

import (
	"cmp"
	"context"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// handlePlaced starts the order's workflow.
func (r *Router) handlePlaced(ctx context.Context, event kurrent.Event) (Result, error) {
	input, err := Input(event)
	if err == nil && event.Revision > 0 {
		input, err = r.firstPlacedInput(ctx, event)
	}
	switch {
	case kurrent.IsGone(err):
		return Ignored, nil // the order was erased while its event was being handled
	case err != nil:
		return "", err
	}
	failpoint.Hit("starter.start.before")
	_, err = r.Temporal.ExecuteWorkflow(ctx, orderOptions(input), workflows.OrderFulfillmentType, input)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return r.checkDuplicateStart(ctx, input.OrderID, input.Source.EventID)
	}
	if err != nil {
		return "", err
	}
	failpoint.Hit("starter.start.after")
	return Started, nil
}

// firstPlacedInput returns the input from the first readable order-placed event of the
// stream. Only that one becomes the order: events are handled concurrently, so a second
// one could otherwise overtake it. An event that a forgetful producer has appended twice
// counts as the first.
func (r *Router) firstPlacedInput(ctx context.Context, event kurrent.Event) (workflows.Input, error) {
	first, err := r.Orders.FindPlaced(ctx, event.Stream)
	if err != nil {
		return workflows.Input{}, err
	}
	if first.ID != event.ID {
		return workflows.Input{}, park("%s: the order was placed by event %s", reasonDuplicateOrder, first.ID)
	}
	return Input(first)
}

// Input returns the input of the workflow that an order-placed event starts. It drops all
// personal data.
func Input(event kurrent.Event) (workflows.Input, error) {
	placed, err := order.DecodePlaced(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return workflows.Input{}, park("%s", err)
	}
	return workflows.Input{
		OrderID: placed.OrderID, CustomerID: placed.CustomerID, Total: placed.Total, PlacedAt: placed.PlacedAt.UTC(),
		Source: SourceOf(event),
	}, nil
}

// orderOptions returns start options that allow an order only one workflow, ever. A
// second start fails with an error that identifies it as such.
func orderOptions(input workflows.Input) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                                       input.OrderID,
		TaskQueue:                                workflows.TaskQueue,
		WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		Memo:                                     map[string]any{workflows.MemoSourceEventID: input.Source.EventID},
		TypedSearchAttributes:                    input.SearchAttributes(),
		StaticSummary:                            input.Summary(),
		StaticDetails:                            input.Details(),
	}
}

// checkDuplicateStart distinguishes the redelivery of an event, which is a duplicate,
// from another order-placed event for the same order, which is parked.
func (r *Router) checkDuplicateStart(ctx context.Context, workflowID, eventID string) (Result, error) {
	run, err := r.findExecution(ctx, workflowID, workflows.OrderFulfillmentType)
	if err != nil {
		return "", err
	}
	if run.runID == "" {
		return "", ErrRunChanged // it was deleted since the start was refused
	}
	startedBy, err := r.startedBy(ctx, workflowID, run)
	switch {
	case err != nil:
		return "", err
	case startedBy != eventID:
		return "", ParkAfterReply("%s: the order was placed by event %s", reasonDuplicateOrder, cmp.Or(startedBy, "unknown"))
	}
	return Duplicate, nil
}

// SourceOf returns the position of an event, with the correlation and tracing ids of its
// metadata.
func SourceOf(event kurrent.Event) order.Source {
	trace := event.Trace()
	return order.Source{
		Stream: event.Stream, Revision: event.Revision, EventID: event.ID.String(),
		CorrelationID: trace.CorrelationID, Traceparent: trace.Traceparent,
	}
}
