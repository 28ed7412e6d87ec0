// Package bare runs the workflows that the product's pipeline is compared with. They run
// empty regular activities one after the other, on a worker with the same slots
// and pollers as the product's. They are started like orders, with the same options and
// input, so the comparison includes the start.
package bare

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/dev/bench/internal/load"
	"orderflow/internal/config"
	"orderflow/workflows"
)

// The names on the server.
const (
	taskQueue    = "bench-bare"
	emptyName    = "empty"
	lastName     = "last"
	workflowName = "bare-%d" // and the number of its activities
)

// activityTimeout bounds an attempt, as in the product.
const activityTimeout = 30 * time.Second

// Worker runs the workflows in this process.
type Worker struct {
	worker  worker.Worker
	starter load.Starter
	client  client.Client

	mu   sync.Mutex
	open map[string]bool // workflows of the current batch that have not ended
	end  chan time.Time  // receives the time at which the last of them ended
}

// Start starts a worker for workflows of so many activities each, with the settings of the
// product's. Close stops it.
func Start(temporal client.Client, settings config.Worker, activities ...int) (*Worker, error) {
	worker.SetStickyWorkflowCacheSize(settings.CachedOrders)
	w := &Worker{client: temporal, starter: load.NewStarter(temporal), end: make(chan time.Time, 1)}
	w.worker = worker.New(temporal, taskQueue, worker.Options{
		MaxConcurrentWorkflowTaskExecutionSize: settings.WorkflowSlots,
		MaxConcurrentActivityExecutionSize:     settings.ActivitySlots,
		WorkflowTaskPollerBehavior:             polling(settings.Partitions, settings.WorkflowPollers),
		ActivityTaskPollerBehavior:             polling(settings.Partitions, settings.ActivityPollers),
	})
	for _, count := range activities {
		w.worker.RegisterWorkflowWithOptions(workflowOf(count), workflow.RegisterOptions{Name: nameOf(count)})
	}
	w.worker.RegisterActivityWithOptions(func(context.Context) error { return nil }, activity.RegisterOptions{Name: emptyName})
	w.worker.RegisterActivityWithOptions(w.last, activity.RegisterOptions{Name: lastName})
	return w, w.worker.Start()
}

// polling returns the same behavior as in the worker.
func polling(partitions, most int) worker.PollerBehavior {
	return worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{
		InitialNumberOfPollers: partitions, MinimumNumberOfPollers: partitions, MaximumNumberOfPollers: most,
	})
}

// Close stops the worker.
func (w *Worker) Close() { w.worker.Stop() }

func nameOf(activities int) string { return fmt.Sprintf(workflowName, activities) }

// workflowOf returns a workflow of so many activities.
func workflowOf(activities int) func(workflow.Context, workflows.Input) error {
	return func(ctx workflow.Context, _ workflows.Input) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: activityTimeout})
		for range activities - 1 {
			if err := workflow.ExecuteActivity(ctx, emptyName).Get(ctx, nil); err != nil {
				return err
			}
		}
		return workflow.ExecuteActivity(ctx, lastName).Get(ctx, nil)
	}
}

// last is the last activity of a workflow. It does nothing but note the time.
func (w *Worker) last(ctx context.Context) error {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	id := activity.GetInfo(ctx).WorkflowExecution.ID
	if !w.open[id] {
		return nil // an attempt that was made again
	}
	delete(w.open, id)
	if len(w.open) == 0 {
		w.end <- now
	}
	return nil
}

// Run starts a workflow for each order, with so many starts in flight, and waits until all
// have run their last activity. It returns the time from the first start until then.
func (w *Worker) Run(ctx context.Context, orders []load.Order, inFlight, activities int) (time.Duration, error) {
	w.mu.Lock()
	w.open = make(map[string]bool, len(orders))
	for _, o := range orders {
		w.open[o.ID] = true
	}
	w.mu.Unlock()
	began := time.Now()
	err := load.Each(ctx, inFlight, orders, func(ctx context.Context, o load.Order) error {
		start, err := w.starter.Prepare(ctx, o)
		if err != nil {
			return err
		}
		start.Options.TaskQueue = taskQueue
		_, err = w.client.ExecuteWorkflow(ctx, start.Options, nameOf(activities), start.Args...)
		return err
	})
	if err != nil {
		return 0, err
	}
	select {
	case end := <-w.end:
		return end.Sub(began), nil
	case <-ctx.Done():
		w.mu.Lock()
		defer w.mu.Unlock()
		return 0, fmt.Errorf("%d of %d bare workflows have not ended: %w", len(w.open), len(orders), context.Cause(ctx))
	}
}
