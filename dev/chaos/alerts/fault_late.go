package main

import (
	"context"
	"errors"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// late sets the time by which an order should have shipped to now, in its row, and resets its
// workflow, which then reads it. With SHIP_BY, all orders of the workload that are left open
// would be late too. The repair cancels the order.
func late(ctx context.Context, s *session) (func(context.Context) error, error) {
	id := newOrder()
	if err := errors.Join(s.post(ctx, id, "USD100.00"), s.awaitFulfilling(ctx, id)); err != nil {
		return nil, err
	}
	if err := s.sql(ctx, `UPDATE order_fulfillment SET ship_by = now() WHERE order_id = '`+id+`'`); err != nil {
		return nil, err
	}
	return s.cancel(id), until(ctx, healTimeout, func(ctx context.Context) error { return s.resetToFirstTask(ctx, id) })
}

// resetToFirstTask resets a workflow as `temporal workflow reset --type FirstWorkflowTask`
// does. It returns an error if the first task has not ended.
func (s *session) resetToFirstTask(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	events := s.stores.Temporal.GetWorkflowHistory(ctx, id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return err
		}
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			_, err := s.stores.Temporal.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
				Namespace: client.DefaultNamespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
				Reason: "alerts", WorkflowTaskFinishEventId: event.GetEventId(), RequestId: uuid.NewString(),
			})
			return err
		}
	}
	return errors.New("no workflow task has ended")
}
