package bridge

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
)

func TestConnect_InvalidConnectionString(t *testing.T) {
	t.Parallel()
	_, err := Connect("kurrentdb://admin:secret@host:2113?tls=false", ConnectOptions{})
	require.ErrorContains(t, err, "connect to KurrentDB: the connection string ")
	require.NotContains(t, err.Error(), "secret")
	require.NotContains(t, err.Error(), "KURRENTDB_URL", "a library knows no environment")
}

func TestConnectWith_OfficialConfiguration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	parsed, err := kurrentdb.ParseConnectionString(r.url)
	require.NoError(t, err)
	for name, settings := range map[string]kurrentdb.Configuration{
		"parsed": *parsed, "made by hand": {Address: parsed.Address, DisableTLS: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, err := ConnectWith(settings, ConnectOptions{})
			require.NoError(t, err)
			defer source.Close()
			_, err = source.CompareGroup(t.Context(), r.options.Subscription)
			require.ErrorIs(t, err, ErrNotFound)
		})
	}
}

func TestNew_Faults(t *testing.T) {
	t.Parallel()
	t.Run("names everything that is missing", func(t *testing.T) {
		t.Parallel()
		_, err := New(Options{})
		for _, want := range []string{"KurrentDB is missing", "Router is missing", "Subscription: "} {
			require.ErrorContains(t, err, want)
		}
	})
	t.Run("names each value out of range", func(t *testing.T) {
		t.Parallel()
		_, err := New(Options{
			Router: &Router{Routes: Routes{"a": nil}}, Concurrency: 1025, UpdateConcurrency: -1, DrainTimeout: -1,
			Subscription: Subscription{Stream: "s", Group: "g", MessageTimeout: 2 * time.Hour, Filter: Filter{TypePrefixes: []string{"a"}}},
		})
		for _, want := range []string{
			"Router.Temporal is missing", `Router.Routes["a"] is nil`, "Concurrency must be from 1 to 1024",
			"UpdateConcurrency must be from 1 to 1024", "DrainTimeout must not be negative",
			"Subscription.MessageTimeout must be from 1s to 1h0m0s", "only a group on $all has a filter",
		} {
			require.ErrorContains(t, err, want)
		}
	})
}

func TestKurrentDB_UpdateGroup(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	source, wanted := r.options.KurrentDB, r.options.Subscription
	require.ErrorIs(t, source.UpdateGroup(t.Context(), wanted), ErrNotFound)
	_, err := source.GroupInfo(t.Context(), wanted.Stream, wanted.Group)
	require.ErrorIs(t, err, ErrNotFound)
	short := wanted
	short.MessageTimeout = time.Second
	_, created, err := source.EnsureGroup(t.Context(), short)
	require.NoError(t, err)
	require.True(t, created)
	differences, created, err := source.EnsureGroup(t.Context(), wanted)
	require.NoError(t, err)
	require.False(t, created, "an existing group is left as it is")
	require.Contains(t, wanted.LossReason(differences), "messageTimeout is 1s, want 1m0s")
	require.NoError(t, source.UpdateGroup(t.Context(), wanted))
	differences, err = source.CompareGroup(t.Context(), wanted)
	require.NoError(t, err)
	require.Empty(t, differences)
}

func TestParkedEvents(t *testing.T) {
	t.Parallel()
	r, ticket := newRig(t), newTicket()
	parked := r.options.KurrentDB.Parked(ticketStream, ticketGroup)
	_, err := parked.Select(t.Context())
	require.ErrorIs(t, err, ErrNotParked)
	for range 3 {
		bad := newEvent("ticket-opened")
		bad.Data = []byte("[]")
		r.append(ticket, bad)
	}
	stop := r.run()
	r.awaitParked(3)

	found, err := parked.Find(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "INVALID: data: must not be of type array", found.Reason)
	require.Equal(t, ticket, found.Event.Stream)
	_, err = parked.Find(t.Context(), 3)
	require.ErrorIs(t, err, ErrNotParked)

	all, err := parked.Select(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(3), all.Len())
	_, err = all.Until(3)
	require.ErrorIs(t, err, ErrNotParked)
	first, err := all.Until(0)
	require.NoError(t, err)
	require.NoError(t, parked.Drop(t.Context(), first))
	require.ErrorIs(t, parked.Drop(t.Context(), all), ErrChanged, "it was selected before the drop")

	left, err := parked.Select(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(1), left.First)
	require.NoError(t, parked.Replay(t.Context(), left))
	r.awaitCounts(map[Result]int{Parked: 5})
	stop()
	require.Eventually(t, func() bool { // the server notices a moment later that the consumer has left
		again, err := parked.Select(t.Context())
		return err == nil && errors.Is(parked.Replay(t.Context(), again), ErrNoConsumer)
	}, longEnough, waitTick)
}

func TestKurrentDB_Unlinked(t *testing.T) {
	t.Parallel()
	r, ticket := newRig(t), newTicket()
	good, broken := newEvent("ticket-opened"), newEvent("ticket-opened")
	broken.Data = []byte(`{"a":`)
	other := broken
	other.ID = uuid.New()
	r.append(ticket, good, broken)
	r.append("note-1", other) // of no interest to the category
	var found []Unlinked
	err := r.options.KurrentDB.Unlinked(t.Context(), ticketStream, []string{"ticket-opened"}, time.Time{}, func(u Unlinked) error {
		found = append(found, u)
		return nil
	})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, broken.ID, found[0].Event.ID)
	require.Error(t, found[0].Reason)
	require.NoError(t, WhyUnlinked(ticketStream, Event(kurrent.Event{Stream: ticket, ContentType: "application/json", Data: good.Data})))
}
