package bridge

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/kurrent"
)

// work runs a worker that hosts tickets until the test ends. A ticket accepts the answers
// that validate returns nil for, and closes on the signal "close".
func (r *rig) work(validate func(answer string) error) {
	r.Helper()
	w := worker.New(r.temporal, r.queue, worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, _ string) error {
		options := workflow.UpdateHandlerOptions{Validator: func(_ workflow.Context, answer string) error { return validate(answer) }}
		handle := func(ctx workflow.Context, _ string) error { return workflow.Sleep(ctx, time.Hour) }
		if err := workflow.SetUpdateHandlerWithOptions(ctx, "answer", handle, options); err != nil {
			return err
		}
		workflow.GetSignalChannel(ctx, "close").Receive(ctx, nil)
		return nil
	}, workflow.RegisterOptions{Name: ticketWorkflow})
	require.NoError(r, w.Start())
	r.Cleanup(w.Stop)
}

func acceptAll(string) error { return nil }

func TestStart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	apply := func(e Event) (Result, error) { return r.options.Router.Apply(t.Context(), e) }
	read := func(stream string, revision uint64) Event {
		e, err := r.events.ReadEvent(t.Context(), stream, revision)
		require.NoError(t, err)
		return Event(e)
	}
	t.Run("starts one workflow however often the event is applied", func(t *testing.T) {
		t.Parallel()
		ticket := newTicket()
		r.append(ticket, newEvent("ticket-opened"))
		for _, want := range []Result{Started, Duplicate, Duplicate} {
			got, err := apply(read(ticket, 0))
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	})
	t.Run("parks another event for the same workflow", func(t *testing.T) {
		t.Parallel()
		ticket, first := newTicket(), newEvent("ticket-opened")
		r.append(ticket, first, newEvent("ticket-opened"))
		_, err := apply(read(ticket, 0))
		require.NoError(t, err)
		_, err = apply(read(ticket, 1))
		require.EqualError(t, err, "ALREADY_STARTED: workflow "+ticket+" was started for event "+first.ID.String())
		require.Equal(t, ClassDone, Classify(err))
	})
	t.Run("leaves another event for the same workflow to Conflict", func(t *testing.T) {
		t.Parallel()
		ticket, first := newTicket(), newEvent("ticket-opened")
		r.append(ticket, first)
		_, err := apply(read(ticket, 0))
		require.NoError(t, err)
		start := Start{Options: client.StartWorkflowOptions{ID: ticket, TaskQueue: r.queue}, Workflow: ticketWorkflow}
		start.Conflict = func(startedBy string) error {
			require.Equal(t, first.ID.String(), startedBy)
			return nil
		}
		got, err := r.options.Router.Perform(t.Context(), Event{Type: "e"}, start)
		require.NoError(t, err)
		require.Equal(t, Duplicate, got)
	})
	t.Run("counts every workflow of its type as its own if the id is the event's", func(t *testing.T) {
		t.Parallel()
		ticket := newTicket()
		_, err := r.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: ticket, TaskQueue: r.queue}, ticketWorkflow)
		require.NoError(t, err)
		start := Start{Options: client.StartWorkflowOptions{ID: ticket, TaskQueue: r.queue}, Workflow: ticketWorkflow, PerEvent: true}
		got, err := r.options.Router.Perform(t.Context(), Event{}, start)
		require.NoError(t, err)
		require.Equal(t, Duplicate, got)
	})
	t.Run("is not tried with options that cannot be honored", func(t *testing.T) {
		t.Parallel()
		for want, start := range map[string]Start{
			"has no workflow id":   {Options: client.StartWorkflowOptions{TaskQueue: "q"}, Workflow: "W"},
			"has no task queue":    {Options: client.StartWorkflowOptions{ID: "1"}, Workflow: "W"},
			"has no workflow type": {Options: client.StartWorkflowOptions{ID: "1", TaskQueue: "q"}},
			"sets a policy for conflicts": {
				Options: client.StartWorkflowOptions{ID: "1", TaskQueue: "q", WorkflowIDConflictPolicy: 1}, Workflow: "W",
			},
			"sets a policy for reuse of the workflow id": {
				Options: client.StartWorkflowOptions{ID: "1", TaskQueue: "q", WorkflowIDReusePolicy: 1}, Workflow: "W",
			},
		} {
			_, err := r.options.Router.Perform(t.Context(), Event{Type: "e"}, start)
			require.EqualError(t, err, "ROUTE: the start for e "+want)
		}
	})
}

func TestRouter_Done(t *testing.T) {
	t.Parallel()
	r, ticket := newRig(t), newTicket()
	r.append(ticket, newEvent("ticket-opened"))
	var done bool
	var fault error
	r.options.Router.Done = func(context.Context, Event) (bool, error) { return done, fault }
	event, err := r.events.ReadEvent(t.Context(), ticket, 0)
	require.NoError(t, err)

	done = true
	got, err := r.options.Router.Apply(t.Context(), Event(event))
	require.NoError(t, err)
	require.Equal(t, Duplicate, got)
	_, err = r.temporal.DescribeWorkflow(t.Context(), ticket, "")
	require.Error(t, err, "nothing was started")

	fault = errors.New("down")
	_, err = r.options.Router.Apply(t.Context(), Event(event))
	require.ErrorIs(t, err, fault)
	require.Equal(t, ClassRetry, Classify(err))
}

func TestBridge_BadRoutes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		route Route
		want  string
	}{
		"panics": {func(_ context.Context, e Event) (Action, error) { panic(string(e.Data)) }, "panicked"},
		"panics in the start of a message": {func(_ context.Context, e Event) (Action, error) {
			return SignalWithStart{
				Signal: Signal{WorkflowID: e.Stream, Workflow: ticketWorkflow, Name: "escalate"},
				Start:  func(context.Context) (Action, error) { panic(string(e.Data)) },
			}, nil
		}, "panicked"},
		"returns nothing":              {func(context.Context, Event) (Action, error) { return nil, nil }, "returned no action"},
		"returns a pointer to nothing": {func(context.Context, Event) (Action, error) { return (*Start)(nil), nil }, "returned no action"},
		"returns a nil ParkError": {func(context.Context, Event) (Action, error) {
			var parked *ParkError
			return nil, parked
		}, "returned an error that is nil"},
		"starts an id that is not ASCII": {func(context.Context, Event) (Action, error) {
			return Start{Options: client.StartWorkflowOptions{ID: "caf\u00e9", TaskQueue: "q"}, Workflow: "W"}, nil
		}, "has a workflow id that is not printable ASCII"},
		"signals an id that is not ASCII": {func(context.Context, Event) (Action, error) {
			return Signal{WorkflowID: "caf\u00e9", Workflow: "W", Name: "n"}, nil
		}, "has a workflow id that is not printable ASCII"},
		"sets the memo to something else": {func(_ context.Context, e Event) (Action, error) {
			options := client.StartWorkflowOptions{ID: e.Stream, TaskQueue: "q", Memo: map[string]any{MemoEventID: "mine"}}
			return Start{Options: options, Workflow: "W"}, nil
		}, "sets the memo sourceEventId"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.options.Router.Routes["ticket-bad"] = c.route
			bad := newEvent("ticket-bad")
			bad.Data = []byte(`{"secret":1}`)
			r.append(newTicket(), bad, newEvent("ticket-unknown"), newEvent("ticket-ignored"))
			r.run()
			r.awaitCounts(map[Result]int{Parked: 1, Ignored: 2})
			reason := r.awaitParked(1)
			require.Regexp(t, "^ROUTE: the (route of|start for|message for) ticket-bad "+c.want, reason)
			require.NotContains(t, reason, "secret")
		})
	}
}

func TestBridge_EventThatCannotBeSent(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Start){
		"an argument":            func(s *Start) { s.Args = []any{math.NaN()} },
		"a field of the memo":    func(s *Start) { s.Options.Memo = map[string]any{"a": math.NaN()} },
		"an argument of 5 MiB":   func(s *Start) { s.Args = []any{strings.Repeat("x", 5<<20)} },
		"both search attributes": func(s *Start) { s.Options.SearchAttributes = map[string]any{"BuildIds": 7} }, //nolint:staticcheck // deprecated, and still possible
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.options.Concurrency, r.options.RefusalSpan = 1, 30*time.Second // longer than a slow machine needs for four attempts
			r.options.Router.Routes["ticket-bad"] = func(_ context.Context, e Event) (Action, error) {
				s := Start{Options: client.StartWorkflowOptions{ID: e.Stream, TaskQueue: r.queue}, Workflow: ticketWorkflow}
				spoil(&s)
				return &s, nil
			}
			r.append(newTicket(), newEvent("ticket-bad"))
			r.run()
			require.Eventually(t, func() bool { return r.waiting() == 1 }, longEnough, waitTick)
			r.append(newTicket(), newEvent("ticket-opened"))
			r.awaitCounts(map[Result]int{Started: 1})
			require.Regexp(t, "^REFUSED: ", r.awaitParked(1))
			require.NoError(t, r.bridge.Ready(t.Context()))
		})
	}
}

func TestBridge_FailingRouteHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.options.Concurrency = 1
	var calls atomic.Int64
	r.options.Router.Routes["ticket-bad"] = func(context.Context, Event) (Action, error) {
		calls.Add(1)
		return nil, errors.New("its database is down")
	}
	r.append(newTicket(), newEvent("ticket-bad"))
	stop := r.run()
	require.Eventually(t, func() bool { return r.waiting() == 1 }, longEnough, waitTick)
	r.append(newTicket(), newEvent("ticket-opened"))
	r.awaitCounts(map[Result]int{Started: 1, Parked: 0})
	require.True(t, r.bridge.Joined())
	before := calls.Load()
	stop()
	require.LessOrEqual(t, calls.Load(), before+2, "a waiting event is not tried again and again while the bridge stops")
}

func TestSignal(t *testing.T) {
	t.Parallel()
	t.Run("waits for its workflow without holding up others", func(t *testing.T) {
		t.Parallel()
		r, early := newRig(t), newTicket()
		r.options.Concurrency = 1
		note := newEvent("ticket-noted")
		r.append(early, note)
		r.run()
		require.Eventually(t, func() bool { return r.waiting() == 1 }, longEnough, waitTick)
		r.append(newTicket(), newEvent("ticket-opened"))
		r.awaitCounts(map[Result]int{Started: 1})
		r.append(early, newEvent("ticket-opened"))
		r.awaitCounts(map[Result]int{Started: 2, Signalled: 1, Parked: 0})
		require.Equal(t, []string{note.ID.String()}, r.messages(early))
		require.Zero(t, r.waiting())
	})
	t.Run("is parked if its workflow never starts", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.options.Subscription.MessageTimeout, r.options.HoldTimeout = time.Second, 500*time.Millisecond // parts of the wait
		r.append(newTicket(), newEvent("ticket-noted"))
		r.run()
		require.Equal(t, "NO_WORKFLOW: there is no workflow to signal", r.awaitParked(1))
	})
	t.Run("comes too late for a closed workflow", func(t *testing.T) {
		t.Parallel()
		r, ticket := newRig(t), newTicket()
		r.append(ticket, newEvent("ticket-opened"))
		r.run()
		r.awaitCounts(map[Result]int{Started: 1})
		require.NoError(t, r.temporal.TerminateWorkflow(t.Context(), ticket, "", "test"))
		r.append(ticket, newEvent("ticket-noted"))
		r.awaitCounts(map[Result]int{Late: 1})
	})
}

func TestSignalWithStart_StartsOnce(t *testing.T) {
	t.Parallel()
	r, ticket := newRig(t), newTicket()
	first, second := newEvent("ticket-escalated"), newEvent("ticket-escalated")
	r.append(ticket, first, second)
	r.run()
	r.awaitCounts(map[Result]int{Signalled: 2})
	require.ElementsMatch(t, []string{first.ID.String(), second.ID.String()}, r.messages(ticket))
}

func TestUpdateWithStart(t *testing.T) {
	t.Parallel()
	t.Run("is accepted once however often the event is applied", func(t *testing.T) {
		t.Parallel()
		r, ticket := newRig(t), newTicket()
		answer := newEvent("ticket-answered")
		r.work(acceptAll)
		r.append(ticket, answer)
		event, err := r.events.ReadEvent(t.Context(), ticket, 0)
		require.NoError(t, err)
		for range 3 {
			got, err := r.options.Router.Apply(t.Context(), Event(event))
			require.NoError(t, err)
			require.Equal(t, Updated, got)
		}
		require.Equal(t, []string{answer.ID.String()}, r.messages(ticket))
	})
	t.Run("is parked if the workflow rejects it", func(t *testing.T) {
		t.Parallel()
		r, ticket := newRig(t), newTicket()
		answer := newEvent("ticket-answered")
		r.work(func(got string) error {
			if got == answer.ID.String() {
				return errors.New("no such answer")
			}
			return nil
		})
		r.append(ticket, answer)
		r.run()
		require.Equal(t, "REJECTED: no such answer", r.awaitParked(1))
	})
	t.Run("is parked if the workflow rejects it with another error than an application's", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.work(func(string) error { return workflow.ErrCanceled })
		r.append(newTicket(), newEvent("ticket-answered"))
		r.run()
		require.Equal(t, "REJECTED: *temporal.CanceledError", strings.ReplaceAll(r.awaitParked(1), "*internal.", "*temporal."))
	})
	t.Run("waits for a worker without holding up events of other kinds", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.options.Concurrency, r.options.UpdateConcurrency = 1, 1
		var answers []kurrent.NewEvent
		tickets := []string{newTicket(), newTicket()}
		for _, ticket := range tickets {
			answer := newEvent("ticket-answered")
			answers = append(answers, answer)
			r.append(ticket, answer)
		}
		r.run()
		require.Eventually(t, func() bool { return r.waiting() == 2 }, longEnough, waitTick)
		for range 5 {
			r.append(newTicket(), newEvent("ticket-opened"))
		}
		r.awaitCounts(map[Result]int{Started: 5, Updated: 0})
		r.work(acceptAll)
		r.awaitCounts(map[Result]int{Updated: 2})
		for i, ticket := range tickets {
			require.Equal(t, []string{answers[i].ID.String()}, r.messages(ticket))
		}
		require.Eventually(t, func() bool { return r.waiting() == 0 }, longEnough, waitTick)
	})
	t.Run("comes too late for a closed workflow", func(t *testing.T) {
		t.Parallel()
		r, ticket := newRig(t), newTicket()
		r.append(ticket, newEvent("ticket-opened"))
		r.run()
		r.awaitCounts(map[Result]int{Started: 1})
		require.NoError(t, r.temporal.TerminateWorkflow(t.Context(), ticket, "", "test"))
		r.append(ticket, newEvent("ticket-answered"))
		r.awaitCounts(map[Result]int{Late: 1})
	})
}

func TestBridge_All(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.options.Subscription.Stream, r.options.Subscription.Filter = All, Filter{StreamPrefixes: []string{"ticket-"}}
	r.append("note-1", newEvent("ticket-opened"))
	r.append(newTicket(), newEvent("ticket-opened"))
	r.run()
	r.awaitCounts(map[Result]int{Started: 1})
	bad := newEvent("ticket-opened")
	bad.Data = []byte("[]")
	r.append(newTicket(), bad)
	require.Equal(t, "INVALID: data: must not be of type array", r.awaitParked(1))
	selected, err := r.options.KurrentDB.Parked(All, ticketGroup).Select(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.options.KurrentDB.Parked(All, ticketGroup).Replay(t.Context(), selected))
	r.awaitCounts(map[Result]int{Started: 1, Parked: 2, Duplicate: 0, Ignored: 0})
}
