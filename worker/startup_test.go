package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"orderflow/internal/devserver"
	"orderflow/internal/subcommand"
	"orderflow/workflows"
)

// unprepared is a worker that starts on a namespace of its own, which has no search attributes yet.
type unprepared struct {
	t         *testing.T
	namespace string
	ops       string // URL of its operations server
	log       *syncedBuffer
	stop      context.CancelFunc
	ended     chan error
}

// syncedBuffer is a log that is read while it is written.
type syncedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncedBuffer) count(words string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.text.String(), words)
}

func startUnprepared(t *testing.T) *unprepared {
	t.Helper()
	port, err := devserver.FreePort()
	require.NoError(t, err)
	addr := net.JoinHostPort("127.0.0.1", fmt.Sprint(port))
	w := &unprepared{t: t, namespace: "orders-" + uuid.NewString(), ops: "http://" + addr, log: &syncedBuffer{}, ended: make(chan error, 1)}
	_, err = shared.temporal.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: w.namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	require.NoError(t, err)
	t.Setenv("TEMPORAL_NAMESPACE", w.namespace)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	w.stop = cancel
	environ := append(slices.Clone(shared.environ), "OPS_ADDR="+addr)
	go func() { w.ended <- run(ctx, subcommand.Call{Environ: environ, Stderr: w.log}) }()
	t.Cleanup(cancel)
	return w
}

// get returns the status and body of a page of the operations server, 0 while there is none.
func (w *unprepared) get(path string) (int, string) {
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.ops+path, nil)
	if err != nil {
		return 0, err.Error()
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(body)
}

// awaitPage waits until a page has the status and the words.
func (w *unprepared) awaitPage(path string, status int, words ...string) {
	w.t.Helper()
	require.EventuallyWithT(w.t, func(c *assert.CollectT) {
		found, body := w.get(path)
		assert.Equal(c, status, found, body)
		for _, word := range words {
			assert.Contains(c, body, word)
		}
	}, patience, 50*time.Millisecond)
}

// pollers is how many pollers ask for the orders' workflow tasks.
func (w *unprepared) pollers() int {
	w.t.Helper()
	queue, err := shared.temporal.WorkflowService().DescribeTaskQueue(w.t.Context(), &workflowservice.DescribeTaskQueueRequest{
		Namespace: w.namespace, TaskQueue: &taskqueue.TaskQueue{Name: workflows.TaskQueue},
		TaskQueueType: enums.TASK_QUEUE_TYPE_WORKFLOW,
	})
	require.NoError(w.t, err)
	return len(queue.GetPollers())
}

// awaitEnd stops the worker as a platform does, which must be no failure.
func (w *unprepared) awaitEnd() {
	w.t.Helper()
	w.stop()
	select {
	case err := <-w.ended:
		require.NoError(w.t, err)
	case <-time.After(patience):
		require.Fail(w.t, "the worker does not end")
	}
}

func TestWorkerOnANamespaceWithoutSearchAttributes(t *testing.T) {
	w := startUnprepared(t)
	w.awaitPage("/readyz", http.StatusServiceUnavailable, "takes no work: search attributes of namespace "+w.namespace,
		"OrderStuck (Keyword) is missing", "OrderTotalMinor (Int) is missing")
	w.awaitPage("/metrics", http.StatusOK, `orderflow_startup_retries_total{dependency="namespace"} 4`)
	w.awaitPage("/healthz", http.StatusOK)
	require.Zero(t, w.pollers(), "it takes no work")
	create := "temporal operator search-attribute create --namespace " + w.namespace
	require.Equal(t, 1, w.log.count(create), "the repair is logged once, however often it is checked")

	require.NoError(t, devserver.EnsureSearchAttributes(t.Context(), shared.temporal, w.namespace, workflows.SearchAttributes()))
	w.awaitPage("/readyz", http.StatusOK)
	require.Eventually(t, func() bool { return w.pollers() > 0 }, patience, 50*time.Millisecond)
	w.awaitPage("/metrics", http.StatusOK, `orderflow_orders_stuck{step="other"} 0`, `orderflow_emails{status="unknown"}`)
	w.awaitEnd()
	require.Equal(t, 1, w.log.count(create))
}

func TestWorkerStopsWhileItWaitsForTheNamespace(t *testing.T) {
	w := startUnprepared(t)
	w.awaitPage("/readyz", http.StatusServiceUnavailable, "OrderStuck (Keyword) is missing")
	w.awaitEnd()
}
