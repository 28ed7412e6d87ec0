package main

import (
	"context"
	"fmt"

	"go.temporal.io/api/enums/v1"

	"orderflow/workflows"
)

// orderRun is the newest run of an order's workflow.
type orderRun struct {
	id    string
	chain string // run id of the first run in the chain of runs that continued as new
	ended bool
}

// findRun describes the order's workflow. It returns errNoWorkflow if there is none. It
// returns a conflict if the order's id is taken by a workflow of another type: that must
// not receive the order's messages, and its state is not the order's.
func (a *api) findRun(ctx context.Context, id string) (orderRun, error) {
	description, err := a.workflows.DescribeWorkflow(ctx, id, "")
	switch {
	case isNotFound(err):
		return orderRun{}, errNoWorkflow
	case err != nil:
		return orderRun{}, fmt.Errorf("describe the workflow: %w", err)
	}
	info := description.RawResponse.GetWorkflowExecutionInfo()
	if info.GetType().GetName() != workflows.OrderFulfillmentType {
		return orderRun{}, conflict("the order's id is taken by a workflow of another type: an operator has to delete it (orderflow parked list)")
	}
	run := orderRun{id: info.GetExecution().GetRunId(), chain: info.GetFirstRunId()}
	switch info.GetStatus() {
	case enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, enums.WORKFLOW_EXECUTION_STATUS_FAILED, enums.WORKFLOW_EXECUTION_STATUS_CANCELED,
		enums.WORKFLOW_EXECUTION_STATUS_TERMINATED, enums.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		run.ended = true
	}
	return run, nil
}
