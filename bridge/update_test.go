package bridge

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// changeUpdate changes the updates of the rig's next run.
func (r *rig) changeUpdate(change func(*UpdateWithStart)) {
	route := r.options.Router.Routes["ticket-answered"]
	r.options.Router.Routes["ticket-answered"] = func(ctx context.Context, e Event) (Action, error) {
		action, err := route(ctx, e)
		update := action.(UpdateWithStart)
		change(&update)
		return update, err
	}
}

const tooSoon = "TOO_SOON"

func isTooSoon(rejection *temporal.ApplicationError) bool { return rejection.Type() == tooSoon }

func TestUpdateWithStart_Early(t *testing.T) {
	t.Parallel()
	t.Run("waits until the workflow accepts it", func(t *testing.T) {
		t.Parallel()
		r, ticket := newRig(t), newTicket()
		var ready atomic.Bool
		r.work(func(string) error {
			if ready.Load() {
				return nil
			}
			return temporal.NewNonRetryableApplicationError("no question yet", tooSoon, nil)
		})
		r.changeUpdate(func(u *UpdateWithStart) { u.Early = isTooSoon })
		answer := newEvent("ticket-answered")
		r.append(ticket, answer)
		r.run()
		require.Eventually(t, func() bool { return r.waiting() == 1 }, longEnough, waitTick)
		ready.Store(true)
		r.awaitCounts(map[Result]int{Updated: 1, Parked: 0})
		require.Equal(t, []string{answer.ID.String()}, r.messages(ticket))
	})
	t.Run("is parked with the workflow's words if it stays early", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.options.HoldTimeout = 2 * time.Second // half of which it waits
		r.work(func(string) error { return temporal.NewNonRetryableApplicationError("no question yet", tooSoon, nil) })
		r.changeUpdate(func(u *UpdateWithStart) { u.Early = isTooSoon })
		r.append(newTicket(), newEvent("ticket-answered"))
		r.run()
		require.Equal(t, "EARLY: no question yet", r.awaitParked(1))
	})
	t.Run("is parked at once if the workflow rejects it otherwise", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.work(func(string) error { return temporal.NewNonRetryableApplicationError("wrong", "WRONG", nil) })
		r.changeUpdate(func(u *UpdateWithStart) { u.Early = isTooSoon })
		r.append(newTicket(), newEvent("ticket-answered"))
		r.run()
		require.Equal(t, "REJECTED: wrong", r.awaitParked(1))
	})
}

func TestUpdateWithStart_Accepted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := worker.New(r.temporal, r.queue, worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, _ string) error {
		fail := func(workflow.Context, string) error {
			return temporal.NewNonRetryableApplicationError("taken", "TAKEN", nil)
		}
		if err := workflow.SetUpdateHandler(ctx, "answer", fail); err != nil {
			return err
		}
		workflow.GetSignalChannel(ctx, "close").Receive(ctx, nil)
		return nil
	}, workflow.RegisterOptions{Name: ticketWorkflow})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	ticket := newTicket()
	r.append(ticket, newEvent("ticket-answered"))
	event, err := r.events.ReadEvent(t.Context(), ticket, 0)
	require.NoError(t, err)
	_, err = r.options.Router.Apply(t.Context(), Event(event))
	require.EqualError(t, err, "REJECTED: taken")

	r.changeUpdate(func(u *UpdateWithStart) {
		u.Early = isTooSoon
		u.Accepted = func(failure *temporal.ApplicationError) bool { return failure.Type() == "TAKEN" }
	})
	got, err := r.options.Router.Apply(t.Context(), Event(event))
	require.NoError(t, err)
	require.Equal(t, Updated, got)
}

func TestUpdateWithStart_Closed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := worker.New(r.temporal, r.queue, worker.Options{WorkerStopTimeout: longEnough}) // Stop waits for polls in progress
	w.RegisterWorkflowWithOptions(func(workflow.Context, string) (string, error) {
		return "resolved", nil
	}, workflow.RegisterOptions{Name: ticketWorkflow})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	want := "resolved"
	r.changeUpdate(func(u *UpdateWithStart) {
		u.Closed = func(result func(any) error) error {
			var got string
			err := result(&got)
			switch {
			case errors.Is(err, ErrNoResult):
				return Park("CLOSED: it has no result")
			case err != nil:
				return err
			case got != want:
				return Park("CLOSED: the ticket is %s", got)
			}
			return nil
		}
	})
	ticket := newTicket()
	r.append(ticket, newEvent("ticket-opened"), newEvent("ticket-answered"))
	read := func(stream string, revision uint64) Event {
		e, err := r.events.ReadEvent(t.Context(), stream, revision)
		require.NoError(t, err)
		return Event(e)
	}
	_, err := r.options.Router.Apply(t.Context(), read(ticket, 0))
	require.NoError(t, err)
	require.NoError(t, r.temporal.GetWorkflow(t.Context(), ticket, "").Get(t.Context(), nil))

	got, err := r.options.Router.Apply(t.Context(), read(ticket, 1))
	require.NoError(t, err)
	require.Equal(t, Late, got)
	want = "open"
	_, err = r.options.Router.Apply(t.Context(), read(ticket, 1))
	require.EqualError(t, err, "CLOSED: the ticket is resolved")
	require.Equal(t, ClassDone, Classify(err))

	w.Stop()
	terminated := newTicket()
	r.append(terminated, newEvent("ticket-opened"), newEvent("ticket-answered"))
	_, err = r.options.Router.Apply(t.Context(), read(terminated, 0))
	require.NoError(t, err)
	require.NoError(t, r.temporal.TerminateWorkflow(t.Context(), terminated, "", "test"))
	_, err = r.options.Router.Apply(t.Context(), read(terminated, 1))
	require.EqualError(t, err, "CLOSED: it has no result")
}
