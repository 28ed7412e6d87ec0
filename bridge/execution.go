package bridge

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"

	"orderflow/internal/temporalclient"
)

// execution is the newest run of a workflow. The zero value means that there is no run.
type execution struct {
	runID   string
	closed  bool
	eventID *common.Payload // the memo; nil if the workflow was started without it
}

// findExecution describes the newest run of a workflow. It returns a ParkError if the
// workflow has another type: its state says nothing about the event, and it must not
// receive the event's message.
func (a *attempt) findExecution(ctx context.Context, workflowID, workflowType string) (execution, error) {
	description, err := a.temporal.DescribeWorkflow(ctx, workflowID, "")
	switch {
	case temporalclient.IsNotFound(err):
		return execution{}, nil
	case err != nil:
		return execution{}, fmt.Errorf("describe workflow %s: %w", workflowID, err)
	}
	info := description.RawResponse.GetWorkflowExecutionInfo()
	if found := info.GetType().GetName(); found != workflowType {
		return execution{}, ParkAfterReply("%s: %s is a workflow of type %.64s, not %s", ReasonForeignWorkflow, workflowID, found, workflowType)
	}
	return execution{
		runID: info.GetExecution().GetRunId(), closed: isClosed(info.GetStatus()),
		eventID: info.GetMemo().GetFields()[MemoEventID],
	}, nil
}

// startedBy returns the id of the event that a workflow was started for, from the memo or
// else from the input. It returns an empty id if the workflow names no event, so the
// bridge did not start it. It returns temporalclient.ErrUnreadable if what could name the
// event cannot be decoded.
func (a *attempt) startedBy(ctx context.Context, s Start, run execution) (string, error) {
	var eventID string
	var unreadable error
	if run.eventID != nil {
		unreadable = a.payloads.Decode(s.Options.ID, run.eventID, &eventID)
		if unreadable == nil && eventID != "" {
			return eventID, nil
		}
	}
	if s.EventID == nil {
		return "", onlyUnreadable(unreadable)
	}
	argument, err := a.firstArgument(ctx, s.Options.ID, run.runID)
	if err != nil || argument == nil {
		return "", err
	}
	eventID, err = s.EventID(func(into any) error { return a.payloads.Decode(s.Options.ID, argument, into) })
	if err != nil {
		return "", onlyUnreadable(fmt.Errorf("workflow %s: %w", s.Options.ID, err))
	}
	return eventID, nil
}

// onlyUnreadable returns err if it says that a payload cannot be decoded by this process.
// Any other fault is one of the payload: it does not name the event.
func onlyUnreadable(err error) error {
	if errors.Is(err, temporalclient.ErrUnreadable) {
		return err
	}
	return nil
}

// firstArgument returns the first argument that a run was started with, or nil.
func (a *attempt) firstArgument(ctx context.Context, workflowID, runID string) (*common.Payload, error) {
	history := a.temporal.GetWorkflowHistory(ctx, workflowID, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	first, err := history.Next()
	switch {
	case temporalclient.IsNotFound(err):
		return nil, ErrRunChanged
	case err != nil:
		return nil, fmt.Errorf("read the history of workflow %s: %w", workflowID, err)
	}
	arguments := first.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads()
	if len(arguments) == 0 {
		return nil, nil
	}
	return arguments[0], nil
}

// result returns the result of a closed run, or nil if it ended without one.
func (a *attempt) result(ctx context.Context, workflowID, runID string) (*common.Payload, error) {
	history := a.temporal.GetWorkflowHistory(ctx, workflowID, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	last, err := history.Next()
	switch {
	case temporalclient.IsNotFound(err):
		return nil, ErrRunChanged
	case err != nil:
		return nil, fmt.Errorf("read the result of workflow %s: %w", workflowID, err)
	}
	results := last.GetWorkflowExecutionCompletedEventAttributes().GetResult().GetPayloads()
	if len(results) == 0 {
		return nil, nil
	}
	return results[0], nil
}

// isClosed reports whether a run has ended. One that is paused or continued as new is not
// its end.
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
