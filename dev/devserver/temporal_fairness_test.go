package devserver_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/dev/devserver"
	"orderflow/internal/temporalclient"
)

// backlog is how many tasks of one fairness key wait when the single task of another key
// comes.
const backlog = 60

// near is how far workers that take tasks concurrently may be off the exact order.
const near = 10

func TestTemporal_Fairness(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		setting string // empty is the default
		late    bool   // the single task comes after the backlog
	}{
		{"is on by default", "", false},
		{"can be turned off", "false", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := map[string]string{}
			if c.setting != "" {
				config[temporalclient.FairnessSetting] = c.setting
			}
			q := newFairQueue(t, startTemporal(t, devserver.TemporalOptions{Headless: true, DynamicConfig: config}))
			requireTurn(t, q.workflowTasks(), c.late)
			requireTurn(t, q.activityTasks(), c.late)
		})
	}
}

// requireTurn requires that the single task came first, or last.
func requireTurn(t *testing.T, order []string, late bool) {
	t.Helper()
	place := slices.Index(order, "single")
	require.GreaterOrEqual(t, place, 0)
	if late {
		require.Greater(t, place, backlog-near)
	} else {
		require.Less(t, place, near)
	}
}

// fairQueue records the order in which tasks are taken.
type fairQueue struct {
	*testing.T
	client client.Client

	mu    sync.Mutex
	order []string // workflow ids
}

func newFairQueue(t *testing.T, server *devserver.Temporal) *fairQueue {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: server.Address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return &fairQueue{T: t, client: c}
}

func (q *fairQueue) take(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.order = append(q.order, id)
}

// start starts workflows with one key, and then one with another.
func (q *fairQueue) start(queue string) (all []client.WorkflowRun) {
	q.Helper()
	for i := range backlog + 1 {
		id, key := fmt.Sprintf("many-%d", i), "many"
		if i == backlog {
			id, key = "single", "single"
		}
		run, err := q.client.ExecuteWorkflow(q.Context(), client.StartWorkflowOptions{
			ID: id, TaskQueue: queue, Priority: temporal.Priority{FairnessKey: key},
		}, queue)
		require.NoError(q, err)
		all = append(all, run)
	}
	return all
}

// taken waits for the workflows and returns the order in which tasks were taken since the
// last call.
func (q *fairQueue) taken(all []client.WorkflowRun) []string {
	q.Helper()
	for _, run := range all {
		require.NoError(q, run.Get(q.Context(), nil))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	order := q.order
	q.order = nil
	return order
}

// workflowTasks lets workflows wait for their first workflow task.
func (q *fairQueue) workflowTasks() []string {
	q.Helper()
	all := q.start("workflow-tasks")
	w := worker.New(q.client, "workflow-tasks", worker.Options{MaxConcurrentWorkflowTaskExecutionSize: 2, MaxConcurrentWorkflowTaskPollers: 2})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		q.take(workflow.GetInfo(ctx).WorkflowExecution.ID)
		return nil
	}, workflow.RegisterOptions{Name: "workflow-tasks"})
	require.NoError(q, w.Start())
	defer w.Stop()
	return q.taken(all)
}

// activityTasks lets workflows wait for an activity, which inherits their key.
func (q *fairQueue) activityTasks() []string {
	q.Helper()
	w := worker.New(q.client, "activity-tasks", worker.Options{DisableEagerActivities: true, LocalActivityWorkerOnly: true})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
		return workflow.ExecuteActivity(ctx, "take").Get(ctx, nil)
	}, workflow.RegisterOptions{Name: "activity-tasks"})
	require.NoError(q, w.Start())
	defer w.Stop()
	all := q.start("activity-tasks")
	for _, run := range all {
		q.awaitActivity(run.GetID())
	}
	activities := worker.New(q.client, "activity-tasks", worker.Options{MaxConcurrentActivityExecutionSize: 1, DisableWorkflowWorker: true})
	activities.RegisterActivityWithOptions(func(ctx context.Context) error {
		q.take(activity.GetInfo(ctx).WorkflowExecution.ID)
		return nil
	}, activity.RegisterOptions{Name: "take"})
	require.NoError(q, activities.Start())
	defer activities.Stop()
	return q.taken(all)
}

// awaitActivity waits until a workflow has scheduled its activity.
func (q *fairQueue) awaitActivity(id string) {
	q.Helper()
	require.Eventually(q, func() bool {
		described, err := q.client.DescribeWorkflow(q.Context(), id, "")
		return err == nil && len(described.RawResponse.GetPendingActivities()) == 1
	}, time.Minute, 20*time.Millisecond)
}
