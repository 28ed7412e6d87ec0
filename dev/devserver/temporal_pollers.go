package devserver

import (
	"context"
	"fmt"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// AwaitWorker waits until a worker polls a queue of the default namespace for workflow
// tasks.
func AwaitWorker(ctx context.Context, c client.Client, queue string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		described, err := c.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
			Namespace: client.DefaultNamespace, TaskQueue: &taskqueue.TaskQueue{Name: queue},
			TaskQueueType: enums.TASK_QUEUE_TYPE_WORKFLOW,
		})
		if err == nil && len(described.GetPollers()) > 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("await a worker of %s: %w", queue, context.Cause(ctx))
		}
	}
}
