package main

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

// errRunChanged means that a workflow's run ended or was deleted between two calls. The
// next attempt finds another one.
var errRunChanged = errors.New("the workflow's run has changed")

// findExecution describes the newest run of a workflow. It returns a parkError if the
// workflow has another type: the state of a foreign workflow is not the order's, and it
// must not receive the order's messages.
func (b *bridge) findExecution(ctx context.Context, workflowID, workflowType string) (execution, error) {
	description, err := b.temporal.DescribeWorkflow(ctx, workflowID, "")
	switch {
	case isNotFound(err):
		return execution{}, nil
	case err != nil:
		return execution{}, fmt.Errorf("describe workflow %s: %w", workflowID, err)
	}
	info := description.RawResponse.GetWorkflowExecutionInfo()
	if found := info.GetType().GetName(); found != workflowType {
		return execution{}, parkAfterReply("%s: %s is a workflow of type %.64s, not %s", reasonForeignWorkflow, workflowID, found, workflowType)
	}
	return execution{
		runID: info.GetExecution().GetRunId(), closed: stateOf(info.GetStatus()) != workflowOpen,
		sourceEventID: info.GetMemo().GetFields()[workflows.MemoSourceEventID],
	}, nil
}

// startedBy returns the id of the event that an order's workflow was started for, from
// the memo or else from the input. It returns an empty id if the workflow names no event,
// so the bridge did not start it. It returns temporalclient.ErrUnreadable if neither can
// be decoded.
func (b *bridge) startedBy(ctx context.Context, workflowID string, run execution) (string, error) {
	var eventID string
	if run.sourceEventID != nil && b.payloads.Decode(workflowID, run.sourceEventID, &eventID) == nil && eventID != "" {
		return eventID, nil
	}
	history := b.temporal.GetWorkflowHistory(ctx, workflowID, run.runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	first, err := history.Next()
	switch {
	case isNotFound(err):
		return "", errRunChanged
	case err != nil:
		return "", fmt.Errorf("read the history of workflow %s: %w", workflowID, err)
	}
	arguments := first.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads()
	if len(arguments) == 0 {
		return "", nil
	}
	var input workflows.Input
	if err := b.payloads.Decode(workflowID, arguments[0], &input); errors.Is(err, temporalclient.ErrUnreadable) {
		return "", fmt.Errorf("workflow %s: %w", workflowID, err)
	}
	return input.Source.EventID, nil // empty if the input is not an order's
}
