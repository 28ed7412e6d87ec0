package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"regexp"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// placed starts the order's workflow.
func (b *bridge) placed(ctx context.Context, event kurrent.Event) (result, error) {
	input, err := orderInput(event)
	if err == nil && event.Revision > 0 {
		input, err = b.firstInput(ctx, event)
	}
	switch {
	case errors.Is(err, kurrent.ErrNotFound), errors.Is(err, kurrent.ErrDeleted):
		return resultIgnored, nil // the order was erased while its event was in hand
	case err != nil:
		return "", err
	}
	failpoint.Hit("starter.start.before")
	_, err = b.temporal.ExecuteWorkflow(ctx, orderOptions(input), workflows.OrderFulfillmentType, input)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return b.startedBefore(ctx, input.OrderID, input.Source.EventID)
	}
	if err != nil {
		return "", err
	}
	failpoint.Hit("starter.start.after")
	return resultStarted, nil
}

// firstInput lets only the first order-placed of a stream that can be read become its order: events in hand are handled side
// by side, so a second one could otherwise overtake it. An event that stands there twice, because its producer had forgotten
// that it wrote it, stands for the first.
func (b *bridge) firstInput(ctx context.Context, event kurrent.Event) (workflows.Input, error) {
	first, err := b.events.FindPlaced(ctx, event.Stream)
	if err != nil {
		return workflows.Input{}, err
	}
	if first.ID != event.ID {
		return workflows.Input{}, park("%s: the order was placed by event %s", reasonDuplicateOrder, first.ID)
	}
	return orderInput(first)
}

// orderInput decodes the order and leaves everything personal behind.
func orderInput(event kurrent.Event) (workflows.Input, error) {
	placed, err := order.DecodePlaced(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return workflows.Input{}, park("%s", err)
	}
	return workflows.Input{
		OrderID: placed.OrderID, CustomerID: placed.CustomerID, Total: placed.Total, PlacedAt: placed.PlacedAt.UTC(),
		Source: source(event),
	}, nil
}

// orderOptions let an order have one workflow, ever: a second start is an error that can be told from the first.
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

// startedBefore tells the redelivery of an event from another order-placed for the same order.
func (b *bridge) startedBefore(ctx context.Context, workflowID, eventID string) (result, error) {
	run, err := b.findExecution(ctx, workflowID, workflows.OrderFulfillmentType)
	if err != nil {
		return "", err
	}
	if run.runID == "" {
		return "", errRunChanged // it was deleted since the start was refused
	}
	startedBy, err := b.startedBy(ctx, workflowID, run)
	switch {
	case err != nil:
		return "", err
	case startedBy != eventID:
		return "", parkAnswered("%s: the order was placed by event %s", reasonDuplicateOrder, cmp.Or(startedBy, "unknown"))
	}
	return resultDuplicate, nil
}

func isNotFound(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}

// source says where an event is, with what its metadata tells about correlation and tracing.
func source(event kurrent.Event) order.Source {
	s := order.Source{Stream: event.Stream, Revision: event.Revision, EventID: event.ID.String()}
	var metadata struct {
		CorrelationID string `json:"$correlationId"`
		Traceparent   string `json:"traceparent"`
	}
	// Metadata is the producer's own: what cannot be read, or could hold more than an id, is left out.
	if json.Unmarshal(event.Metadata, &metadata) != nil {
		return s
	}
	if correlationPattern.MatchString(metadata.CorrelationID) {
		s.CorrelationID = metadata.CorrelationID
	}
	if traceparentPattern.MatchString(metadata.Traceparent) {
		s.Traceparent = metadata.Traceparent
	}
	return s
}

var (
	correlationPattern = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)
	traceparentPattern = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
)
