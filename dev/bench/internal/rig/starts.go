package rig

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"orderflow/workflows"
)

// listed is how many workflows one call lists.
const listed = 1000

// StartTime returns when a workflow was started, by the clock of Temporal, which runs on
// this machine. The server reads it before it writes the workflow.
func (r *Rig) StartTime(ctx context.Context, id string) (time.Time, error) {
	execution, err := r.Temporal.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return time.Time{}, fmt.Errorf("start of %s: %w", id, err)
	}
	return execution.WorkflowStartTime, nil
}

// FirstTask returns when a worker took a workflow's first task, by the same clock.
func (r *Rig) FirstTask(ctx context.Context, id string) (time.Time, error) {
	events := r.Temporal.GetWorkflowHistory(ctx, id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return time.Time{}, fmt.Errorf("first task of %s: %w", id, err)
		}
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_STARTED {
			return event.GetEventTime().AsTime(), nil
		}
	}
	return time.Time{}, fmt.Errorf("no worker took a task of %s", id)
}

// StartTimes returns when the orders' workflows were started, by workflow id, of those that
// were started since a time.
func (r *Rig) StartTimes(ctx context.Context, since time.Time) (map[string]time.Time, error) {
	times := map[string]time.Time{}
	request := &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: listed,
		Query:    fmt.Sprintf("WorkflowType = %q AND StartTime >= %q", workflows.OrderFulfillmentType, since.UTC().Format(time.RFC3339Nano)),
	}
	for {
		page, err := r.Temporal.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("starts of workflows: %w", err)
		}
		for _, execution := range page.GetExecutions() {
			times[execution.GetExecution().GetWorkflowId()] = execution.GetStartTime().AsTime()
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return times, nil
		}
	}
}
