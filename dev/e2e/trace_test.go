package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

const (
	producerTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	producerSpan  = "00f067aa0ba902b7"
	producerMeta  = `{"$correlationId":"cart-7","$traceId":"` + producerTrace + `","$spanId":"` + producerSpan + `"}`
)

// tracedStack is a stack that exports spans, and whose worker starts again when it is
// killed.
type tracedStack struct {
	*stackClient
	collector *traceCollector
	workerPID string // a file with the worker's process id
}

func newTracedStack(t *testing.T) *tracedStack {
	t.Helper()
	r := &tracedStack{collector: newTraceCollector(t), workerPID: filepath.Join(t.TempDir(), "worker.pid")}
	own, err := startStackWith(stackOptions{
		dir: t.TempDir(), secure: *secureSuite, restart: map[string]string{"worker": r.workerPID}, args: []string{"--rate", "0"},
		environ: []string{
			"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.collector.url, "OTEL_BSP_SCHEDULE_DELAY=100",
			"API_TRACE_URL=https://traces.example/{traceId}",
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, own.stop(), "%s", own.log) })
	r.stackClient = newStackClientFor(t, own)
	return r
}

func (r *tracedStack) killWorker() {
	r.t.Helper()
	text, err := os.ReadFile(r.workerPID)
	require.NoError(r.t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(r.t, err)
	require.NoError(r.t, syscall.Kill(pid, syscall.SIGKILL))
}

// placeTraced appends an order as a producer that traces.
func (r *tracedStack) placeTraced(b orderSpec) string {
	r.t.Helper()
	b = b.complete()
	body, err := json.Marshal(b.body())
	require.NoError(r.t, err)
	_, err = r.events.AppendToStream(r.t.Context(), b.id, kurrentdb.AppendToStreamOptions{}, kurrentdb.EventData{
		EventID: uuid.New(), EventType: "order-placed", ContentType: kurrentdb.ContentTypeJson, Data: body, Metadata: []byte(producerMeta),
	})
	require.NoError(r.t, err)
	return b.id
}

// awaitEdges waits until the graph of a trace has these edges, and requires that every
// parent and link was received, except the given root.
func (r *tracedStack) awaitEdges(traceID, root string, want ...string) []receivedSpan {
	r.t.Helper()
	var spans []receivedSpan
	require.EventuallyWithT(r.t, func(c *assert.CollectT) {
		var edges []string
		spans, edges = r.collector.graph(traceID)
		assert.Subset(c, edges, want)
		all, _ := r.collector.all()
		known := map[string]bool{"": true, root: true}
		for _, s := range all {
			known[s.id] = true
		}
		for _, s := range spans {
			for _, id := range append(s.links, s.parent) {
				assert.True(c, known[id], "%s of %s hangs from %s, which was not received", s.name, s.service, id)
			}
		}
	}, patience, 100*time.Millisecond)
	return spans
}

// An order is one connected graph of spans, although the worker is killed between two of
// its steps, and what led to it is in everything that is written about it.
func TestTrace_WorkerKilledBetweenSteps(t *testing.T) {
	t.Parallel()
	r := newTracedStack(t)
	spec := orderSpec{}.complete()
	id := r.placeTraced(spec)
	r.awaitMail(id, order.StatusFulfilling, "sent")
	first := []string{
		"process order-placed < " + producerSpan, "StartWorkflow:OrderFulfillment < process order-placed",
		"RunActivity:ReserveCredit < StartWorkflow:OrderFulfillment", "RunActivity:StartFulfillment < StartWorkflow:OrderFulfillment",
		"RunActivity:SendEmail < StartWorkflow:OrderFulfillment", "SESv2.SendEmail < RunActivity:SendEmail",
		"publish order-approved < " + producerSpan, "project order-placed < " + producerSpan, "project order-approved < " + producerSpan,
	}
	r.awaitEdges(producerTrace, producerSpan, first...)

	r.killWorker()
	_, err := r.update(id, "record-shipment", shipped)
	require.NoError(t, err)
	r.awaitMail(id, order.StatusShipped, "sent")
	r.awaitEdges(producerTrace, producerSpan, append(first,
		"HandleUpdate:record-shipment < StartWorkflow:OrderFulfillment", "RunActivity:CloseFulfillment < StartWorkflow:OrderFulfillment",
		"publish order-shipped < "+producerSpan, "project order-shipped < "+producerSpan)...)

	r.requireTraceOf(id, spec.customer)
	_, text := r.collector.all()
	for _, marker := range []string{"canary", "Table Lamp", "Utrecht", "555-0100", "00340434292135100186"} {
		require.NotContains(t, strings.ToLower(text), strings.ToLower(marker))
	}
}

// requireTraceOf requires that all that was written about an order has the ids of its
// producer.
func (r *tracedStack) requireTraceOf(id, customer string) {
	r.t.Helper()
	traceparent := "00-" + producerTrace + "-" + producerSpan + "-01"
	require.Equal(r.t, []string{"cart-7", traceparent}, r.row(id, "correlation_id", "traceparent"))
	for _, stream := range []string{"credit-" + customer, "fulfillment-" + id} {
		events, err := r.events.ReadStream(r.t.Context(), stream, kurrentdb.ReadStreamOptions{}, 100)
		require.NoError(r.t, err)
		n := 0
		for {
			event, err := events.Recv()
			if err != nil {
				break
			}
			if !strings.HasPrefix(event.Event.EventType, "credit-account") {
				n++
				var metadata map[string]string
				require.NoError(r.t, json.Unmarshal(event.Event.UserMetadata, &metadata))
				delete(metadata, "$causationId")
				require.Equal(r.t, map[string]string{
					"$correlationId": "cart-7", "traceparent": traceparent, "$traceId": producerTrace, "$spanId": producerSpan,
				}, metadata, "%s of %s", event.Event.EventType, stream)
			}
		}
		events.Close()
		require.Positive(r.t, n, stream)
	}
	require.EventuallyWithT(r.t, func(c *assert.CollectT) {
		code, page, err := r.ask(http.MethodGet, "/?order="+id, nil)
		require.NoError(c, err)
		require.Equal(c, http.StatusOK, code)
		require.Contains(c, string(page), "https://traces.example/"+producerTrace)
		require.Contains(c, string(page), "cart-7")
	}, patience, 100*time.Millisecond)
}

// A client that does not trace is no gap: the api begins the trace.
func TestTrace_PlacedAndCanceledByAPI(t *testing.T) {
	t.Parallel()
	r := newTracedStack(t)
	spec := orderSpec{}.complete()
	code, body := r.request(http.MethodPost, "/orders", spec.body())
	require.Equal(t, http.StatusCreated, code, string(body))
	r.awaitMail(spec.id, order.StatusFulfilling, "sent")
	code, body = r.request(http.MethodPost, "/orders/"+spec.id+"/cancel", map[string]any{"reason": "customer-request"})
	require.Contains(t, []int{http.StatusOK, http.StatusAccepted}, code, string(body))
	r.awaitStatus(spec.id, order.StatusCancelled)

	var traceparent string
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		traceparent = r.row(spec.id, "traceparent")[0]
		require.NotEmpty(c, traceparent)
	}, patience, 100*time.Millisecond)
	r.awaitEdges(strings.Split(traceparent, "-")[1], "",
		"process order-placed < POST /orders", "StartWorkflow:OrderFulfillment < process order-placed",
		"RunActivity:ReleaseCredit < StartWorkflow:OrderFulfillment", "publish order-cancelled < POST /orders",
		"HandleUpdate:cancel-order < StartWorkflow:OrderFulfillment")
	all, _ := r.collector.all()
	names := map[string]string{}
	for _, s := range all {
		names[s.id] = s.name
	}
	var canceled []string
	for _, s := range all {
		if s.name == "HandleUpdate:cancel-order" {
			canceled = append(canceled, names[s.parent])
		}
	}
	require.Equal(t, []string{"UpdateWorkflow:cancel-order"}, canceled)
}
