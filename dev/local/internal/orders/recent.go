package orders

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// listTimeout bounds listing the newest workflows.
const listTimeout = 5 * time.Second

// Workflows lists workflows. Temporal's client implements it.
type Workflows interface {
	ListWorkflow(
		ctx context.Context, r *workflowservice.ListWorkflowExecutionsRequest,
	) (*workflowservice.ListWorkflowExecutionsResponse, error)
}

// Recent looks at the newest orders from all sources: Temporal lists them, because the
// api does not. It is not safe for concurrent use.
type Recent struct {
	Workflows Workflows
	States    StateSource
	Most      int // how many orders to look at

	seen map[string]Seen
}

// Seen is an order as it was at the last look.
type Seen struct {
	order.State
	Started time.Time // when its workflow was started
	listed  string    // its status in the list of workflows, which is updated only when an order settles
	closed  bool
}

// Look returns the newest orders, newest first. It queries only orders that may have
// changed.
func (r *Recent) Look(ctx context.Context) ([]Seen, error) {
	listed, err := r.list(ctx)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(maxConcurrentQueries)
	now := make(map[string]Seen, len(listed))
	for _, entry := range listed {
		before := r.seen[entry.OrderID]
		group.Go(func() error {
			if !before.unchanged(entry) {
				before = r.ask(ctx, entry, before)
			}
			mu.Lock()
			defer mu.Unlock()
			now[entry.OrderID] = before
			return nil
		})
	}
	_ = group.Wait() // an order that cannot be queried keeps its earlier state
	r.seen = now
	return newestFirst(now), nil
}

// ask returns the current state of the order. If the query fails, it returns the earlier
// state: the api will respond next time.
func (r *Recent) ask(ctx context.Context, listed, before Seen) Seen {
	state, err := r.States.State(ctx, listed.OrderID)
	if err != nil {
		before.OrderID, before.Started = listed.OrderID, listed.Started
		return before
	}
	listed.State = state
	return listed
}

// unchanged reports whether nothing can have changed since the last look: the list shows
// the order as before, and nothing else is still to come.
func (s Seen) unchanged(listed Seen) bool {
	return s.listed == listed.listed && s.closed == listed.closed && s.settled()
}

// settled reports whether the state is up to date with the list of workflows. The api
// shows credit as reserved until the customer view has read the release.
func (s Seen) settled() bool {
	switch {
	case s.Status == "", s.Email == string(email.StatusPending):
		return false
	case s.closed:
		return s.Credit != order.CreditReserved || s.Status == order.StatusShipped
	default:
		return string(s.Status) == s.listed && s.Status != order.StatusPending
	}
}

func newestFirst(seen map[string]Seen) []Seen {
	all := make([]Seen, 0, len(seen))
	for _, s := range seen {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Seen) int {
		return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(a.OrderID, b.OrderID))
	})
	return all
}

// list returns the newest open and the newest closed orders. They take two requests,
// because in a single one Temporal lists all open workflows first.
func (r *Recent) list(ctx context.Context) ([]Seen, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	var all []Seen
	for _, condition := range []string{`ExecutionStatus = "Running"`, `ExecutionStatus != "Running"`} {
		response, err := r.Workflows.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			PageSize: int32(r.Most),
			Query:    fmt.Sprintf(`WorkflowType = %q AND %s`, workflows.OrderFulfillmentType, condition),
		})
		if err != nil {
			return nil, fmt.Errorf("list the newest orders: %w", err)
		}
		for _, execution := range response.GetExecutions() {
			all = append(all, entryOf(execution))
		}
	}
	slices.SortFunc(all, func(a, b Seen) int { return b.Started.Compare(a.Started) })
	return all[:min(len(all), r.Most)], nil
}

func entryOf(e *workflowpb.WorkflowExecutionInfo) Seen {
	return Seen{
		State:   order.State{OrderID: e.GetExecution().GetWorkflowId()},
		Started: e.GetStartTime().AsTime(),
		listed:  keyword(e.GetSearchAttributes().GetIndexedFields()["OrderStatus"]),
		closed:  e.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING,
	}
}

func keyword(payload *commonpb.Payload) (value string) {
	if payload != nil {
		_ = converter.GetDefaultDataConverter().FromPayload(payload, &value) // an unreadable value differs from every status
	}
	return value
}
