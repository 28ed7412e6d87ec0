package bridge

import (
	"context"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

// A server that keeps consumers when their group changes leaves it to the bridge to
// notice.
func TestInspect_GroupLosesEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.options.InspectInterval = 10 * time.Millisecond
	loses := kurrentdb.SubscriptionSettingsDefault()
	loses.ResolveLinkTos, loses.MaxRetryCount, loses.MessageTimeout = true, 1_000_000, 1_000
	err := kurrentsimtest.OfficialClient(t, r.url).CreatePersistentSubscription(t.Context(), ticketStream, ticketGroup,
		kurrentdb.PersistentStreamSubscriptionOptions{Settings: &loses, StartFrom: kurrentdb.Start{}})
	require.NoError(t, err)
	b := r.prepare()
	var cause error
	b.inspect(t.Context(), func(err error) { cause = err })
	require.ErrorIs(t, cause, errBlocked)
	require.ErrorContains(t, b.Ready(t.Context()), "messageTimeout is 1s")
}

func TestBridge_Ready(t *testing.T) {
	t.Parallel()
	r, ticket := newRig(t), newTicket()
	_, err := r.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: ticket, TaskQueue: "by-hand"}, "SomethingElse")
	require.NoError(t, err)
	r.run()
	r.awaitJoined()
	refused := func() { r.bridge.setObstacle(obstacleRefusal, "denied") }
	t.Run("is not restored by an event parked without asking Temporal", func(t *testing.T) {
		refused()
		unread := newEvent("ticket-opened")
		unread.Data = []byte("[]")
		r.append(newTicket(), unread)
		r.awaitCounts(map[Result]int{Parked: 1})
		require.ErrorContains(t, r.bridge.Ready(t.Context()), "refusal: denied")
	})
	t.Run("is restored by an event that was parked after Temporal replied", func(t *testing.T) {
		refused()
		r.append(ticket, newEvent("ticket-opened"))
		r.awaitCounts(map[Result]int{Parked: 2})
		r.awaitReady()
		require.False(t, r.blocked(obstacleRefusal))
	})
}

func TestAttempt_DeliveredLink(t *testing.T) {
	t.Parallel()
	r, ticket := newRig(t), newTicket()
	r.append(ticket, newEvent("ticket-opened"))
	link := func(target string) kurrent.Delivery {
		return kurrent.Delivery{Event: &kurrent.Event{Stream: ticketStream, Type: "$>", Data: []byte(target)}}
	}
	in := &intake{Bridge: r.prepare()}
	for _, c := range []struct {
		delivery kurrent.Delivery
		want     Result
	}{
		{link("0@" + ticket), Started},
		{link("0@" + newTicket()), Ignored},
		{link("nowhere"), Ignored},
		{kurrent.Delivery{Link: link("nowhere").Event}, Ignored},
		{kurrent.Delivery{Link: link("0@" + newTicket()).Event}, Ignored},
	} {
		got, err := in.attempt(t.Context(), &heldEvent{delivery: c.delivery})
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}

func TestCheckProjection_OnlyForCategories(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	server, err := kurrentsim.Start(kurrentsim.Options{WithoutProjections: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	r.connect(server.URL())
	r.options.Subscription.Stream = "tickets"
	require.NoError(t, r.prepare().checkProjection(t.Context()))
	require.False(t, r.blocked(obstacleProjection))
	r.options.Subscription.Stream = ticketStream
	b := r.prepare()
	require.NoError(t, server.Stop(context.Background()))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.checkProjection(ctx), ErrUnavailable, "no response is an outage")
	require.False(t, r.blocked(obstacleProjection))
}
