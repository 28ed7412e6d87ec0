package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"orderflow/activities"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

const (
	// attentionRows is how many orders of each kind the page shows.
	attentionRows = 5

	// maxUnknownEmails is the highest number of such emails that is counted.
	maxUnknownEmails = 1000

	// searchKept is how long what Temporal's search returned is cached: its rate is limited.
	searchKept = 10 * time.Second

	// searchTimeout limits the search. Without a result the page shows the figure as
	// unknown.
	searchTimeout = 3 * time.Second
)

// workflowSearch finds workflows in Temporal's visibility store. The real one is
// Temporal's client.
type workflowSearch interface {
	ListWorkflow(ctx context.Context, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
	CountWorkflow(ctx context.Context, request *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error)
	GetWorkflow(ctx context.Context, workflowID, runID string) client.WorkflowRun
}

// operations caches what Temporal knows about orders that need a person. It is safe for
// concurrent use.
type operations struct {
	temporal  workflowSearch
	namespace string
	logger    *slog.Logger

	turn     chan struct{} // a lock, held while searching or reading what was found
	until    time.Time     // when it expires
	stuck    stuckOrders
	compared comparison
}

func newOperations(temporal workflowSearch, namespace string, logger *slog.Logger) *operations {
	return &operations{temporal: temporal, namespace: namespace, logger: logger, turn: make(chan struct{}, 1)}
}

// stuckOrders are orders that cannot proceed.
type stuckOrders struct {
	Known  bool
	Count  int64
	Orders []stuckOrder // some of them
}

// stuckOrder is an order, or the repair of one, that cannot proceed.
type stuckOrder struct {
	WorkflowID string
	Step       string
}

// comparison is the last completed comparison of the stores. The api may read neither the
// parked events nor the log of all events; the comparison has, and its result has no
// personal data.
type comparison struct {
	Searched bool // Temporal could be asked for it
	Known    bool
	runID    string
	At       time.Time
	Parked   *int // nil if they could not be read
	Unlinked int
}

// find returns what was found in the last 10 seconds, or searches. What cannot be found
// is not known.
func (o *operations) find(ctx context.Context) (stuckOrders, comparison) {
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done():
		return stuckOrders{}, comparison{}
	}
	if time.Now().Before(o.until) {
		return o.stuck, o.compared
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), searchTimeout)
	defer cancel()
	stuck, stuckErr := o.findStuck(ctx)
	compared, comparedErr := o.lastComparison(ctx)
	if err := errors.Join(stuckErr, comparedErr); err != nil {
		o.logger.Warn("showing an incomplete page", "error", err)
	}
	o.stuck, o.compared, o.until = stuck, compared, time.Now().Add(searchKept)
	return stuck, compared
}

const stuckQuery = workflows.StuckAttribute + ` IS NOT NULL AND ExecutionStatus = "Running"`

func (o *operations) findStuck(ctx context.Context) (found stuckOrders, err error) {
	counted, err := o.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: o.namespace, Query: stuckQuery})
	if err != nil {
		return found, fmt.Errorf("count stuck orders: %w", err)
	}
	if counted.GetCount() == 0 {
		return stuckOrders{Known: true}, nil
	}
	listed, err := o.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: o.namespace, PageSize: attentionRows, Query: stuckQuery,
	})
	if err != nil {
		return found, fmt.Errorf("list stuck orders: %w", err)
	}
	found = stuckOrders{Known: true, Count: counted.GetCount()}
	for _, execution := range listed.GetExecutions() {
		row := stuckOrder{WorkflowID: execution.GetExecution().GetWorkflowId()}
		if step := execution.GetSearchAttributes().GetIndexedFields()[workflows.StuckAttribute]; step != nil {
			_ = converter.GetDefaultDataConverter().FromPayload(step, &row.Step) // without it the order is shown all the same
		}
		found.Orders = append(found.Orders, row)
	}
	return found, nil
}

// lastComparison returns the newest completed run of Reconciliation that Temporal still
// has. It reads the result of each run once.
func (o *operations) lastComparison(ctx context.Context) (found comparison, err error) {
	listed, err := o.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: o.namespace, PageSize: 1, // the newest comes first
		Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Completed'", workflows.ReconciliationType),
	})
	if err != nil {
		return found, fmt.Errorf("find the last comparison: %w", err)
	}
	if len(listed.GetExecutions()) == 0 {
		return comparison{Searched: true}, nil
	}
	newest := listed.GetExecutions()[0]
	run := newest.GetExecution().GetRunId()
	if o.compared.runID == run {
		return o.compared, nil
	}
	var result activities.Reconciled
	if err := o.temporal.GetWorkflow(ctx, newest.GetExecution().GetWorkflowId(), run).Get(ctx, &result); err != nil {
		return found, fmt.Errorf("read the last comparison: %w", err)
	}
	return comparison{
		Searched: true, Known: true, runID: run, At: newest.GetCloseTime().AsTime(), Parked: result.Parked, Unlinked: result.Left["unlinked"],
	}, nil
}

// attention is what needs a person, with what is not known.
type attention struct {
	Stuck    stuckOrders
	Compared comparison
	Rows     bool // PostgreSQL could be read
	postgres.Attention
}

// MoreEmails reports whether there are more emails than were counted.
func (n attention) MoreEmails() bool { return n.Emails >= maxUnknownEmails }

func (a *api) attention(ctx context.Context) attention {
	var found attention
	found.Stuck, found.Compared = a.search.find(ctx)
	rows, err := a.lists.FindAttention(ctx, attentionRows, maxUnknownEmails)
	if err != nil {
		a.logger.Warn("showing an incomplete page", "error", err)
		return found
	}
	found.Rows, found.Attention = true, rows
	return found
}
