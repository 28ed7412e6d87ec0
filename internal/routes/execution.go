package routes

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"

	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// execution is the newest run of a workflow. The zero value means that there is no run.
type execution struct {
	runID         string
	closed        bool
	sourceEventID *common.Payload // the memo; nil if the workflow was started without it
}

// ErrRunChanged means that a workflow's run ended or was deleted between two calls. The
// next attempt finds another one.
var ErrRunChanged = errors.New("the workflow's run has changed")

// findExecution describes the newest run of a workflow. It returns a ParkError if the
// workflow has another type: the state of a foreign workflow is not the order's, and it
// must not receive the order's messages.
func (r *Router) findExecution(ctx context.Context, workflowID, workflowType string) (execution, error) {
	description, err := r.Temporal.DescribeWorkflow(ctx, workflowID, "")
	switch {
	case temporalclient.IsNotFound(err):
		return execution{}, nil
	case err != nil:
		return execution{}, fmt.Errorf("describe workflow %s: %w", workflowID, err)
	}
	info := description.RawResponse.GetWorkflowExecutionInfo()
	if found := info.GetType().GetName(); found != workflowType {
		return execution{}, ParkAfterReply("%s: %s is a workflow of type %.64s, not %s", reasonForeignWorkflow, workflowID, found, workflowType)
	}
	return execution{
		runID: info.GetExecution().GetRunId(), closed: isClosed(info.GetStatus()),
		sourceEventID: info.GetMemo().GetFields()[workflows.MemoSourceEventID],
	}, nil
}

// startedBy returns the id of the event that an order's workflow was started for, from
// the memo or else from the input. It returns an empty id if the workflow names no event,
// so the bridge did not start it. It returns temporalclient.ErrUnreadable if neither can
// be decoded.
func (r *Router) startedBy(ctx context.Context, workflowID string, run execution) (string, error) {
	var eventID string
	if run.sourceEventID != nil && r.Payloads.Decode(workflowID, run.sourceEventID, &eventID) == nil && eventID != "" {
		return eventID, nil
	}
	history := r.Temporal.GetWorkflowHistory(ctx, workflowID, run.runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	first, err := history.Next()
	switch {
	case temporalclient.IsNotFound(err):
		return "", ErrRunChanged
	case err != nil:
		return "", fmt.Errorf("read the history of workflow %s: %w", workflowID, err)
	}
	arguments := first.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads()
	if len(arguments) == 0 {
		return "", nil
	}
	var input workflows.Input
	if err := r.Payloads.Decode(workflowID, arguments[0], &input); errors.Is(err, temporalclient.ErrUnreadable) {
		return "", fmt.Errorf("workflow %s: %w", workflowID, err)
	}
	return input.Source.EventID, nil // empty if the input is not an order's
}

// isClosed reports whether a run has ended. One that is paused or continued as new is not
// the end of its order.
func isClosed(status enums.WorkflowExecutionStatus) bool {
	switch status {
	case enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, enums.WORKFLOW_EXECUTION_STATUS_FAILED,
		enums.WORKFLOW_EXECUTION_STATUS_CANCELED, enums.WORKFLOW_EXECUTION_STATUS_TERMINATED,
		enums.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return true
	default:
		return false
	}
}
