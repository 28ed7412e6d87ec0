package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"orderflow/internal/backoff"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

const (
	// refreshTimeout bounds telling the open orders. What is left is told by the next
	// setup.
	refreshTimeout = 30 * time.Minute

	// refreshInterval keeps the signals from using up the namespace's rate limit.
	refreshInterval = 10 * time.Millisecond

	refreshPage = 200
)

// allOpen selects all open workflows that may have search attributes. A search attribute
// that was created again may show the values of another one that was removed, so there is
// no narrower query.
func allOpen() string {
	return fmt.Sprintf("WorkflowType IN (%s) AND ExecutionStatus = 'Running' AND StartTime <= '%s'",
		quote(workflows.RefreshableTypes()), time.Now().UTC().Format(time.RFC3339Nano))
}

// openWithout selects the open workflows that lack a search attribute which they had when
// they started.
func openWithout() string {
	var missing []string
	for _, name := range attributeNames(workflows.Input{}.SearchAttributes()) {
		missing = append(missing, name+" IS NULL")
	}
	return fmt.Sprintf("WorkflowType IN (%s) AND ExecutionStatus = 'Running' AND (%s)",
		quote(workflows.StartedWithAttributes()), strings.Join(missing, " OR "))
}

// refresh tells the open workflows that a query selects to set their search attributes
// again. To tell one twice is harmless.
func (t *temporalRun) refresh(ctx context.Context, query string) {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	if t.dryRun() {
		t.wouldRefresh(ctx, query)
		return
	}
	told, refused, err := t.tellAll(ctx, query)
	switch {
	case err != nil:
		t.fail(Temporal, stepRefresh, fmt.Errorf("%d orders were told to set them again, run this again for the rest: %w", told, err))
	case refused > 0:
		t.add(Temporal, stepRefresh, Left,
			fmt.Sprintf("%d orders were told to set them again, %d accept no more signals: run this again after they have continued as new", told, refused))
	case told == 0:
		t.add(Temporal, stepRefresh, AlreadyThere, "")
	default:
		t.add(Temporal, stepRefresh, Changed, fmt.Sprintf("%d orders were told to set them again", told))
	}
}

func (t *temporalRun) wouldRefresh(ctx context.Context, query string) {
	var found *workflowservice.CountWorkflowExecutionsResponse
	err := whenKnown(ctx, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		found, err = t.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: t.Namespace, Query: query})
		return err
	})
	switch {
	case err != nil:
		t.fail(Temporal, stepRefresh, err)
	case found.GetCount() == 0:
		t.add(Temporal, stepRefresh, AlreadyThere, "")
	default:
		t.done(Temporal, stepRefresh, Changed, fmt.Sprintf("%d orders would be told to set them again", found.GetCount()))
	}
}

// knownTimeout is how long the nodes of a server may take to know a search attribute that
// another setup has just created.
const knownTimeout = 30 * time.Second

// whenKnown repeats a query while the server rejects it: it may not know every search
// attribute yet.
func whenKnown(ctx context.Context, query func() error) error {
	ctx, cancel := context.WithTimeout(ctx, knownTimeout)
	defer cancel()
	retry := backoff.Exponential{Min: 100 * time.Millisecond, Max: 5 * time.Second}
	for tries := 0; ; tries++ {
		err := query()
		if _, rejected := errors.AsType[*serviceerror.InvalidArgument](err); !rejected || retry.Wait(ctx, tries) != nil {
			return err
		}
	}
}

// tellAll signals the workflows one after the other. It returns how many were told, and
// how many accept no more signals. One that has closed meanwhile counts as neither.
func (t *temporalRun) tellAll(ctx context.Context, query string) (told, refused int, err error) {
	tick := time.NewTicker(refreshInterval)
	defer tick.Stop()
	var next []byte
	for {
		var page *workflowservice.ListWorkflowExecutionsResponse
		err := whenKnown(ctx, func() (err error) {
			page, err = t.listPage(ctx, query, next)
			return err
		})
		if err != nil {
			return told, refused, err
		}
		for _, found := range page.GetExecutions() {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return told, refused, ctx.Err()
			}
			switch err := t.tell(ctx, found); {
			case err == nil:
				told++
			case temporalclient.IsNotFound(err):
			case temporalclient.IsOutage(err) || ctx.Err() != nil || isRefusal(err):
				return told, refused, err
			default:
				t.Logger.Warn("order cannot be told to set its search attributes", "workflow", found.GetExecution().GetWorkflowId(), "error", err)
				refused++
			}
		}
		if next = page.GetNextPageToken(); len(next) == 0 {
			return told, refused, nil
		}
	}
}

func (t *temporalRun) listPage(ctx context.Context, query string, next []byte) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return t.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: t.Namespace, Query: query, PageSize: refreshPage, NextPageToken: next,
	})
}

// tell signals a workflow's current run. The client retries what may pass, with backoff,
// and no attempt of it signals twice.
func (t *temporalRun) tell(ctx context.Context, found *workflow.WorkflowExecutionInfo) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return t.Client.SignalWorkflow(ctx, found.GetExecution().GetWorkflowId(), "", workflows.RefreshSignal, nil)
}
