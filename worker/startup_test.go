package main

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"orderflow/dev/devserver"
	"orderflow/dev/opstest"
	"orderflow/workflows"
)

// unpreparedWorker is a worker that starts on its own namespace, which has no search
// attributes yet.
type unpreparedWorker struct {
	*opstest.Daemon
	t         *testing.T
	namespace string
}

func startUnpreparedWorker(t *testing.T) *unpreparedWorker {
	t.Helper()
	namespace := newNamespace(t)
	return &unpreparedWorker{Daemon: startWorker(t), t: t, namespace: namespace}
}

// newNamespace creates a namespace without search attributes, which workers started by
// this test use.
func newNamespace(t *testing.T) string {
	t.Helper()
	namespace := "orders-" + uuid.NewString()
	_, err := shared.temporal.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	require.NoError(t, err)
	t.Setenv("TEMPORAL_NAMESPACE", namespace)
	return namespace
}

// startWorker runs a worker alongside the shared one.
func startWorker(t *testing.T, environ ...string) *opstest.Daemon {
	t.Helper()
	return opstest.Start(t, func(ctx context.Context, log io.Writer) error {
		environ := slices.Concat(shared.environ, []string{"OPS_ADDR=127.0.0.1:0", "LOG_LEVEL=info"}, environ)
		return run(ctx, environ, log)
	})
}

// pollers returns how many pollers ask for the orders' workflow tasks.
func (w *unpreparedWorker) pollers() int {
	w.t.Helper()
	queue, err := shared.temporal.WorkflowService().DescribeTaskQueue(w.t.Context(), &workflowservice.DescribeTaskQueueRequest{
		Namespace: w.namespace, TaskQueue: &taskqueue.TaskQueue{Name: workflows.TaskQueue},
		TaskQueueType: enums.TASK_QUEUE_TYPE_WORKFLOW,
	})
	require.NoError(w.t, err)
	return len(queue.GetPollers())
}

func TestRun_NamespaceWithoutSearchAttributes(t *testing.T) {
	w := startUnpreparedWorker(t)
	w.Await("/readyz", http.StatusServiceUnavailable, "takes no work: search attributes of namespace "+w.namespace,
		"OrderStuck (Keyword) is missing", "OrderTotalMinor (Int) is missing")
	retried := regexp.MustCompile(`orderflow_startup_retries_total\{dependency="namespace"\} ([4-9]|\d{2,})\b`)
	require.Eventually(t, func() bool {
		_, body, _ := w.Get("/metrics")
		return retried.MatchString(body)
	}, longEnough, 50*time.Millisecond)
	w.Await("/healthz", http.StatusOK)
	require.Zero(t, w.pollers(), "it takes no work")
	create := "temporal operator search-attribute create --namespace " + w.namespace
	require.Equal(t, 1, strings.Count(w.Log(), create), "the repair is logged once, however often it is checked")

	require.NoError(t, devserver.EnsureSearchAttributes(t.Context(), shared.temporal, w.namespace, workflows.SearchAttributes()))
	w.Await("/readyz", http.StatusOK)
	require.Eventually(t, func() bool { return w.pollers() > 0 }, longEnough, 50*time.Millisecond)
	w.Await("/metrics", http.StatusOK, `orderflow_orders_stuck{step="other"} 0`, `orderflow_emails{status="unknown"}`)
	require.NoError(t, w.Stop())
	require.Equal(t, 1, strings.Count(w.Log(), create))
}

func TestRun_StopWhileWaitingForNamespace(t *testing.T) {
	w := startUnpreparedWorker(t)
	w.Await("/readyz", http.StatusServiceUnavailable, "OrderStuck (Keyword) is missing")
	require.NoError(t, w.Stop())
}

func TestRun_WithoutServers(t *testing.T) {
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	d := startWorker(t, "KURRENTDB_URL=kurrentdb://127.0.0.1:1?tls=false", "POSTGRES_URL=postgres://127.0.0.1:1/x")
	d.Await("/healthz", http.StatusOK)
	d.Await("/readyz", http.StatusServiceUnavailable, `"worker":"takes no work: `, `"postgres":"`, `"kurrentdb":"`, `"temporal":"`)
	require.NoError(t, d.Stop(), "a stop while waiting is not an error")
}
