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
	// refreshTimeout bounds telling the open orders. The report has the command for the
	// rest.
	refreshTimeout = 30 * time.Minute

	// refreshInterval keeps the signals from using up the namespace's rate limit.
	refreshInterval = 10 * time.Millisecond

	refreshPage = 200

	refreshAll = "orderflow setup --only temporal --refresh"
)

// openUntil selects all open workflows that may have search attributes and started until
// then. A search attribute that was created again may show the values of another one that
// was removed, so there is no narrower query.
func openUntil(started time.Time) string {
	return fmt.Sprintf("WorkflowType IN (%s) AND ExecutionStatus = 'Running' AND StartTime <= '%s'",
		quote(workflows.RefreshableTypes()), started.UTC().Format(time.RFC3339Nano))
}

// openWithout selects the open workflows that lack a search attribute which they had when
// they started.
func openWithout(totalHidden bool) string {
	var missing []string
	for _, name := range attributeNames(workflows.Input{TotalHidden: totalHidden}.SearchAttributes()) {
		missing = append(missing, name+" IS NULL")
	}
	return fmt.Sprintf("WorkflowType IN (%s) AND ExecutionStatus = 'Running' AND (%s)",
		quote(workflows.StartedWithAttributes()), strings.Join(missing, " OR "))
}

// refresh tells the open workflows that a query selects to set their search attributes
// again. To tell one twice is harmless. again is the command that repeats all of it.
func (t *temporalRun) refresh(ctx context.Context, query, again string) {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	if t.dryRun() {
		t.wouldRefresh(ctx, query)
		return
	}
	told, err := t.tellAll(ctx, query)
	detail := fmt.Sprintf("%d orders were told to set them again", told.count)
	switch {
	case err != nil && ctx.Err() != nil:
		t.add(Temporal, stepRefresh, Left, detail+", and the time was up or the setup was stopped", told.rest(again))
	case err != nil:
		t.add(Temporal, stepRefresh, Failed, fmt.Sprintf("%s, and not the rest: %v", detail, err), told.rest(again))
	case told.refused > 0:
		t.add(Temporal, stepRefresh, Left, fmt.Sprintf("%s, %d accept no more signals: run this after they have continued as new", detail, told.refused), again)
	case told.count == 0:
		t.add(Temporal, stepRefresh, AlreadyThere, "")
	default:
		t.add(Temporal, stepRefresh, Changed, detail)
	}
}

// refreshed is how far a refresh has come.
type refreshed struct {
	count   int       // workflows that were told
	refused int       // those that accept no more signals
	until   time.Time // start of the last workflow; the server lists the newest first
}

// rest returns the command that tells the workflows which were not reached: again, or, if
// that is refreshAll, the same from the last workflow on.
func (r refreshed) rest(again string) string {
	if again != refreshAll || r.until.IsZero() {
		return again
	}
	return "orderflow setup --only temporal --refresh-before " + r.until.UTC().Format(time.RFC3339Nano)
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

// tellAll signals the workflows one after the other, the newest first.
func (t *temporalRun) tellAll(ctx context.Context, query string) (told refreshed, err error) {
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
			return told, err
		}
		for _, found := range page.GetExecutions() {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return told, ctx.Err()
			}
			if err := t.tellCounted(ctx, found, &told); err != nil {
				return told, err
			}
		}
		if next = page.GetNextPageToken(); len(next) == 0 {
			return told, nil
		}
	}
}

// tellCounted signals a workflow and counts it. One that has closed meanwhile is not
// counted. It returns an error if the others would fail, too.
func (t *temporalRun) tellCounted(ctx context.Context, found *workflow.WorkflowExecutionInfo, told *refreshed) error {
	switch err := t.tell(ctx, found); {
	case err == nil:
		told.count++
	case temporalclient.IsNotFound(err):
	case temporalclient.IsOutage(err) || ctx.Err() != nil || isRefusal(err):
		return err
	default:
		t.Logger.Warn("order cannot be told to set its search attributes", "workflow", found.GetExecution().GetWorkflowId(), "error", err)
		told.refused++
	}
	told.until = found.GetStartTime().AsTime()
	return nil
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
