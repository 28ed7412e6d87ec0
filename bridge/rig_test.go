package bridge

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/metertest"
	"orderflow/internal/kurrent"
)

const (
	longEnough = 90 * time.Second // for what should happen soon
	waitTick   = 10 * time.Millisecond
)

var servers = devservertest.Servers{}

func TestMain(m *testing.M) { servers.Main(m) }

// The workflow that the rig's routes start: one for each stream, with the stream's name
// as its id.
const (
	ticketWorkflow = "Ticket"
	ticketStream   = "$ce-ticket"
	ticketGroup    = "bridge"
)

// ticketRoutes has one route of each kind. queue is the task queue of what they start.
func ticketRoutes(queue string) Routes {
	start := func(e Event) Start {
		return Start{
			Options:  client.StartWorkflowOptions{ID: e.Stream, TaskQueue: queue},
			Workflow: ticketWorkflow, Args: []any{e.Stream},
		}
	}
	signal := func(e Event, name string) Signal {
		return Signal{WorkflowID: e.Stream, Workflow: ticketWorkflow, Name: name, Arg: e.ID.String(), Wait: time.Millisecond}
	}
	return Routes{
		"ticket-opened":  func(_ context.Context, e Event) (Action, error) { return start(e), e.Decode(&struct{}{}) },
		"ticket-noted":   func(_ context.Context, e Event) (Action, error) { return signal(e, "note"), nil },
		"ticket-ignored": func(context.Context, Event) (Action, error) { return Ignore{}, nil },
		"ticket-escalated": func(_ context.Context, e Event) (Action, error) {
			return SignalWithStart{Signal: signal(e, "escalate"), Start: func(context.Context) (Action, error) { return start(e), nil }}, nil
		},
		"ticket-answered": func(_ context.Context, e Event) (Action, error) {
			return UpdateWithStart{
				WorkflowID: e.Stream, Workflow: ticketWorkflow, Name: "answer", Args: []any{e.ID.String()},
				Start: func(context.Context) (Action, error) { return start(e), nil },
			}, nil
		},
	}
}

// rig is a bridge between its own KurrentDB simulator and the shared Temporal server.
type rig struct {
	*testing.T
	url      string
	events   *kurrent.Client
	temporal client.Client
	meter    *metertest.Meter
	queue    string
	options  Options // of the next run
	bridge   *Bridge // of the last run
}

func newRig(t *testing.T) *rig {
	t.Helper()
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	temporal, err := client.DialContext(t.Context(), client.Options{HostPort: servers.Temporal(t), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	r := &rig{T: t, temporal: temporal, meter: metertest.New(), queue: "tickets-" + uuid.NewString()}
	r.options = Options{
		Router: &Router{Temporal: temporal, Routes: ticketRoutes(r.queue)}, MeterProvider: r.meter,
		Subscription: Subscription{Stream: ticketStream, Group: ticketGroup, MessageTimeout: time.Minute},
		Concurrency:  8, HoldTimeout: 20 * time.Second,
	}
	r.connect(server.URL())
	return r
}

// connect points the rig at a KurrentDB.
func (r *rig) connect(url string) {
	r.Helper()
	source, err := Connect(url, ConnectOptions{AllowPlaintext: true, CallTimeout: 30 * time.Second})
	require.NoError(r, err)
	r.Cleanup(source.Close)
	r.url, r.events, r.options.KurrentDB = url, source.client, source
}

// prepare makes the bridge of the next run.
func (r *rig) prepare() *Bridge {
	r.Helper()
	next, err := New(r.options)
	require.NoError(r, err)
	r.bridge = next
	return next
}

// run runs the bridge until the returned function is called, which waits for it to end.
func (r *rig) run() (stop func()) {
	r.Helper()
	b := r.prepare()
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(r, <-done)
		}
	}
	r.Cleanup(stop)
	return stop
}

func (r *rig) append(stream string, events ...kurrent.NewEvent) {
	r.Helper()
	_, err := r.events.Append(r.Context(), stream, kurrent.Any(), events...)
	require.NoError(r, err)
}

func (r *rig) count(result Result) int {
	return r.meter.Value("orderflow_bridge_events", string(result))
}

// awaitCounts waits until the bridge has counted these events.
func (r *rig) awaitCounts(want map[Result]int) {
	r.Helper()
	require.EventuallyWithT(r, func(c *assert.CollectT) {
		for result, n := range want {
			require.Equal(c, n, r.count(result), result)
		}
	}, longEnough, waitTick)
}

func (r *rig) awaitJoined() {
	r.Helper()
	require.Eventually(r, func() bool { return r.bridge.Joined() }, longEnough, waitTick)
}

func (r *rig) awaitReady() {
	r.Helper()
	require.Eventually(r, func() bool { return r.bridge.Ready(r.Context()) == nil }, longEnough, waitTick)
}

func (r *rig) blocked(by string) bool { return r.meter.Value("orderflow_bridge_blocked", by) == 1 }

func (r *rig) waiting() int { return r.meter.Value("orderflow_bridge_waiting", "") }

// awaitParked waits until count events are parked, and returns their reasons. The bridge
// counts one when it has sent it, and the server writes it a moment later.
func (r *rig) awaitParked(count int) string {
	r.Helper()
	var reasons []string
	parked := r.options.KurrentDB.Parked(r.options.Subscription.Stream, r.options.Subscription.Group)
	require.EventuallyWithT(r, func(c *assert.CollectT) {
		reasons = nil
		require.NoError(c, parked.List(r.Context(), 0, 0, func(p ParkedEvent) error {
			reasons = append(reasons, p.Reason)
			return nil
		}))
		require.Len(c, reasons, count)
	}, longEnough, waitTick)
	return strings.Join(reasons, "\n")
}

// messages returns the arguments of the signals and updates in the history of a workflow.
func (r *rig) messages(workflowID string) (all []string) {
	r.Helper()
	history := r.temporal.GetWorkflowHistory(r.Context(), workflowID, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		require.NoError(r, err)
		payloads := event.GetWorkflowExecutionSignaledEventAttributes().GetInput().GetPayloads()
		payloads = append(payloads, event.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest().GetInput().GetArgs().GetPayloads()...)
		for _, payload := range payloads {
			var text string
			require.NoError(r, json.Unmarshal(payload.GetData(), &text))
			all = append(all, text)
		}
	}
	return all
}

func newTicket() string { return "ticket-" + uuid.NewString() }

func newEvent(eventType string) kurrent.NewEvent {
	return kurrent.NewEvent{ID: uuid.New(), Type: eventType, Data: []byte("{}")}
}
