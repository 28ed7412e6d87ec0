package replay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"orderflow/internal/temporalclient"
)

const (
	pageSize    = 1000
	listTimeout = 20 * time.Second // one page
)

// ErrQuery is returned if the server rejects the query.
var ErrQuery = errors.New("the server rejects the query")

// execution is one run of a workflow.
type execution struct {
	Type, WorkflowID, RunID string
}

// sample is what was found of one workflow type, and the runs drawn from it.
type sample struct {
	found  int
	pinned int // of those found; they are not drawn
	first  execution
	runs   []execution
}

// draw lists the workflows that the query selects, and draws a sample of each type. It
// keeps only the sample, so the number of workflows is bounded by the time for listing
// them and not by memory.
func draw(ctx context.Context, o Options) (map[string]*sample, error) {
	samples := map[string]*sample{}
	request := &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: temporalclient.Namespace(o.TemporalOptions), PageSize: pageSize, Query: o.Query,
	}
	for {
		page, err := list(ctx, o.Temporal, request)
		if err != nil {
			return nil, err
		}
		for _, info := range page.GetExecutions() {
			name := info.GetType().GetName()
			if samples[name] == nil {
				samples[name] = &sample{}
			}
			samples[name].add(info, o)
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return samples, nil
		}
	}
}

func list(ctx context.Context, c client.Client, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	calling, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	page, err := c.ListWorkflow(calling, request)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if invalid, ok := errors.AsType[*serviceerror.InvalidArgument](err); ok {
		return nil, fmt.Errorf("%w: %s", ErrQuery, invalid.Message)
	}
	if err != nil {
		return nil, fmt.Errorf("list workflows: %w", err)
	}
	return page, nil
}

// add counts a run, and draws it with the same probability as every other run that may be
// drawn: reservoir sampling.
func (s *sample) add(info *workflow.WorkflowExecutionInfo, o Options) {
	e := execution{
		Type: info.GetType().GetName(), WorkflowID: info.GetExecution().GetWorkflowId(), RunID: info.GetExecution().GetRunId(),
	}
	if s.found++; s.found == 1 {
		s.first = e
	}
	if !o.Pinned && pinned(info) {
		s.pinned++
		return
	}
	if len(s.runs) < o.Sample {
		s.runs = append(s.runs, e)
	} else if i := rand.IntN(s.found - s.pinned); i < len(s.runs) {
		s.runs[i] = e
	}
}

// versioningBehavior is the search attribute that the server sets on workflows of
// versioned workers.
const versioningBehavior = "TemporalWorkflowVersioningBehavior"

// pinned reports whether an open run stays on the version it runs on: no other build
// continues it. A closed run is of interest only as an example, and counts like any other.
func pinned(info *workflow.WorkflowExecutionInfo) bool {
	var behavior string
	value := info.GetSearchAttributes().GetIndexedFields()[versioningBehavior]
	return info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING && value != nil &&
		converter.GetDefaultDataConverter().FromPayload(value, &behavior) == nil && behavior == "Pinned"
}
