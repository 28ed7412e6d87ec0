package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"orderflow/internal/order"
	"orderflow/workflows"
)

// Two processes share the work: neither has the settings of what the other one does.
func TestRun_OneQueueEach(t *testing.T) {
	c, _ := preparedNamespace(t)
	orders := startWorker(t, "WORKER_QUEUES=order-fulfillment", "EMAIL_FROM=", "EMAIL_EVENTS_QUEUE_URL="+shared.sim.QueueURL(), "EMAIL_CONFIGURATION_SET=orders")
	emails := startWorker(t, "WORKER_QUEUES=order-email", "KURRENTDB_URL=", "EMAIL_CONFIGURATION_SET=orders")
	ready := orders.Await("/readyz", http.StatusOK)
	require.Regexp(t, `"email-events": ?"(ok|not known yet)"`, ready)
	ready = emails.Await("/readyz", http.StatusOK)
	require.JSONEq(t, `{"worker":"ok","temporal":"ok","postgres":"ok"}`, ready)

	p := placeIn(t, c, uuid.NewString()+"@example.com")
	p.await(order.StatusFulfilling, "sent")
	require.Equal(t, map[string]int{"confirmation": 1}, p.acceptedEmails())
	require.EventuallyWithT(t, func(c *assert.CollectT) { // by the events, which the worker of the orders consumes
		require.Equal(c, "delivered", p.progress("confirmation"))
	}, longEnough, 20*time.Millisecond)
	require.NoError(t, emails.Stop())
	require.NoError(t, orders.Stop())
}

func TestRun_SettingsOfTheQueues(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), []string{"WORKER_QUEUES=order-email", "WORKER_EMAIL_SLOTS=1"}, nil)
	require.EqualError(t, err, "EMAIL_FROM: is required\nPOSTGRES_URL: is required\n"+
		"WORKER_EMAIL_SLOTS: must be from 4 to 10000: WORKER_QUEUE_PARTITIONS is the minimum")
	err = run(t.Context(), []string{"WORKER_QUEUES=order-email", "EMAIL_EVENTS_QUEUE_URL=orders", "EMAIL_FROM=a@example.com", "POSTGRES_URL=postgres://u@127.0.0.1/o"}, nil)
	require.ErrorContains(t, err, "EMAIL_CONFIGURATION_SET: is required with EMAIL_EVENTS_QUEUE_URL: events of other sets are not this environment's\n"+
		"EMAIL_EVENTS_QUEUE_URL: must be the URL of a queue of SQS\nKURRENTDB_URL: is required with EMAIL_EVENTS_QUEUE_URL")
}

// shorterThanPoll is below the minute after which the server ends a poll that got no task:
// a worker with fewer polls than partitions has not reached all of them by then.
const shorterThanPoll = 40 * time.Second

// A poll that waits at an empty partition gets no task of another one.
func TestPolling_EveryPartition(t *testing.T) {
	_, namespace := preparedNamespace(t)
	w := startWorker(t)
	w.Await("/readyz", http.StatusOK)
	for _, queue := range []struct {
		name string
		kind enums.TaskQueueType
	}{
		{workflows.TaskQueue, enums.TASK_QUEUE_TYPE_WORKFLOW},
		{workflows.TaskQueue, enums.TASK_QUEUE_TYPE_ACTIVITY},
		{workflows.EmailTaskQueue, enums.TASK_QUEUE_TYPE_ACTIVITY},
	} {
		for _, partition := range partitionsOf(t, namespace, queue.name) {
			require.Eventually(t, func() bool {
				described, err := shared.temporal.WorkflowService().DescribeTaskQueue(t.Context(), &workflowservice.DescribeTaskQueueRequest{
					Namespace: namespace, TaskQueue: &taskqueue.TaskQueue{Name: partition}, TaskQueueType: queue.kind,
				})
				return err == nil && len(described.GetPollers()) > 0
			}, shorterThanPoll, 50*time.Millisecond, "%s (%s)", partition, queue.kind)
		}
	}
	require.NoError(t, w.Stop())
}

// partitionsOf returns the names of a task queue's partitions on the server, the root first.
func partitionsOf(t *testing.T, namespace, queue string) (names []string) {
	t.Helper()
	listed, err := shared.temporal.WorkflowService().ListTaskQueuePartitions(t.Context(), &workflowservice.ListTaskQueuePartitionsRequest{
		Namespace: namespace, TaskQueue: &taskqueue.TaskQueue{Name: queue},
	})
	require.NoError(t, err)
	for _, partition := range listed.GetWorkflowTaskQueuePartitions() {
		names = append(names, partition.GetKey())
	}
	require.Len(t, names, 4, "WORKER_QUEUE_PARTITIONS is the server's default")
	return names
}
