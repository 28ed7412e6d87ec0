package upgrade_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"orderflow/dev/startertest"
	"orderflow/internal/order"
	"orderflow/workflows"
)

const (
	placeEvery = 250 * time.Millisecond
	shipEvery  = 500 * time.Millisecond
)

// load places orders all the time, and ships those that the test does not keep.
type load struct {
	*upgradeRig
	stop    context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	kept   map[string]bool
	placed int
	err    error
}

func (r *upgradeRig) startLoad() *load {
	ctx, cancel := context.WithCancel(r.t.Context())
	l := &load{upgradeRig: r, stop: cancel, kept: map[string]bool{}}
	every := func(interval time.Duration, do func()) {
		l.running.Go(func() {
			for tick := time.NewTicker(interval); ; {
				select {
				case <-tick.C:
					do()
				case <-ctx.Done():
					tick.Stop()
					return
				}
			}
		})
	}
	every(placeEvery, func() { id := startertest.NewOrderID(); l.note(l.place(id, "customer-of-"+id)) })
	every(shipEvery, func() { l.ship(ctx) })
	r.t.Cleanup(l.end)
	return l
}

// end stops the load.
func (l *load) end() {
	l.stop()
	l.running.Wait()
}

func (l *load) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.placed++
	if l.err == nil {
		l.err = err
	}
}

// place places an order.
func (r *upgradeRig) place(id, customer string) error {
	return r.starter.TryAppend(id, startertest.NewEvent(order.TypePlaced, map[string]any{
		"orderId": id, "customerId": customer, "at": "2025-01-01T01:11:30Z",
		"lineItems": []map[string]any{{"productId": "1", "productName": "Lamp", "quantity": 1, "pricePerUnit": "USD100.00", "taxRate": 0}},
		"billing":   map[string]any{"recipient": map[string]any{"emailAddress": "ada@example.com"}},
	}))
}

// ship ships the orders that wait for it. It leaves those that fail to the next time.
func (l *load) ship(ctx context.Context) {
	waiting, err := l.list(ctx, `OrderStatus="fulfilling" AND ExecutionStatus="Running"`)
	if err != nil {
		return
	}
	for _, info := range waiting {
		id := info.GetExecution().GetWorkflowId()
		l.mu.Lock()
		keep := l.kept[id]
		l.mu.Unlock()
		if !keep {
			_ = l.shipOne(ctx, id)
		}
	}
}

func (r *upgradeRig) shipOne(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := r.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: workflows.RecordShipmentMessage, WaitForStage: client.WorkflowUpdateStageAccepted,
		Args: []any{map[string]any{"carrier": "DHL", "trackingNumber": "00340434292135100186"}},
	})
	return err
}

func (r *upgradeRig) list(ctx context.Context, query string) ([]*workflow.WorkflowExecutionInfo, error) {
	page, err := r.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1000, Query: query})
	return page.GetExecutions(), err
}

func (r *upgradeRig) count(query string) int64 {
	r.t.Helper()
	answer, err := r.temporal.CountWorkflow(r.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default", Query: query})
	require.NoError(r.t, err)
	return answer.GetCount()
}

// awaitCount waits until at least n workflows match.
func (r *upgradeRig) awaitCount(query string, n int64) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return r.count(query) >= n }, patience, 200*time.Millisecond, query)
}

// keep places an order that is not shipped until release, and waits until it could be.
func (l *load) keep() string {
	l.t.Helper()
	id := startertest.NewOrderID()
	l.keepOrder(id, "customer-of-"+id)
	return id
}

// keepDecided places an order like keep, and waits until it has recorded the change of the
// new build.
func (l *load) keepDecided() string {
	l.t.Helper()
	id := startertest.NewOrderID()
	l.keepOrder(id, decidingCustomer)
	l.awaitCount(fmt.Sprintf(`TemporalChangeVersion="reserve-in-parallel-1" AND WorkflowId=%q`, id), 1)
	return id
}

func (l *load) keepOrder(id, customer string) {
	l.t.Helper()
	l.mu.Lock()
	l.kept[id] = true
	l.mu.Unlock()
	require.NoError(l.t, l.place(id, customer))
	l.awaitCount(fmt.Sprintf(`OrderStatus="fulfilling" AND WorkflowId=%q`, id), 1)
}

// release ships a kept order and waits for its end.
func (l *load) release(id string) {
	l.t.Helper()
	l.mu.Lock()
	delete(l.kept, id)
	l.mu.Unlock()
	require.NoError(l.t, l.temporal.GetWorkflow(l.t.Context(), id, "").Get(l.t.Context(), nil))
}

// requireComplete waits until every workflow has closed, and checks that all completed,
// none with a failed workflow task but the given ones.
func (l *load) requireComplete(failing ...string) {
	l.t.Helper()
	l.mu.Lock()
	placed := l.placed
	require.NoError(l.t, l.err)
	l.mu.Unlock()
	const runs = `ExecutionStatus!="Terminated"` // a reset terminates a run, and begins another
	l.awaitCount(fmt.Sprintf(`WorkflowType=%q AND %s`, workflows.OrderFulfillmentType, runs), int64(placed))
	require.Eventually(l.t, func() bool {
		l.ship(l.t.Context())
		return l.count(`ExecutionStatus="Running" AND TaskQueue="`+workflows.TaskQueue+`"`) == 0
	}, patience, time.Second)
	all, err := l.list(l.t.Context(), `TaskQueue="`+workflows.TaskQueue+`" AND `+runs)
	require.NoError(l.t, err)
	l.t.Logf("%d orders placed, %d workflows", placed, len(all))
	for _, info := range all {
		id := info.GetExecution().GetWorkflowId()
		require.Equal(l.t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, info.GetStatus(), id)
		for _, event := range l.history(id) {
			if failed := event.GetWorkflowTaskFailedEventAttributes(); failed != nil && !slices.Contains(failing, id) {
				require.Contains(l.t, []enums.WorkflowTaskFailedCause{enums.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND},
					failed.GetCause(), "%s: %s", id, failed.GetFailure().GetMessage())
			}
		}
	}
}
