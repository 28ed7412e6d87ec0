package kurrentsim_test

import (
	"fmt"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim"
)

func (w *testServer) subscribe(stream string, options kurrentdb.SubscribeToStreamOptions) *kurrentdb.Subscription {
	w.Helper()
	sub, err := w.client.SubscribeToStream(w.Context(), stream, options)
	require.NoError(w, err)
	w.Cleanup(func() { _ = sub.Close() })
	return sub
}

func (w *testServer) subscribeAll(options kurrentdb.SubscribeToAllOptions) *kurrentdb.Subscription {
	w.Helper()
	sub, err := w.client.SubscribeToAll(w.Context(), options)
	require.NoError(w, err)
	w.Cleanup(func() { _ = sub.Close() })
	return sub
}

func TestSubscription_CatchesUpAndFollows(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(70)...)
	sub := w.subscribe("s-1", kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	for i := range 70 {
		require.EqualValues(t, i, recv(t, sub).EventAppeared.Event.EventNumber)
	}
	require.EqualValues(t, 69, *recv(t, sub).CaughtUp.StreamRevision)
	w.append("s-1", kurrentdb.Any{}, event("live"))
	require.EqualValues(t, 70, recv(t, sub).EventAppeared.Event.EventNumber)
}

func TestSubscription_StartIsExclusive(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	for stream, from := range map[string]kurrentdb.StreamPosition{"s-end": kurrentdb.End{}, "s-last": kurrentdb.Revision(2)} {
		w.append(stream, kurrentdb.NoStream{}, events(3)...)
		sub := w.subscribe(stream, kurrentdb.SubscribeToStreamOptions{From: from})
		require.EqualValues(t, 2, *recv(t, sub).CaughtUp.StreamRevision)
		w.append(stream, kurrentdb.Any{}, event("live"))
		require.EqualValues(t, 3, recv(t, sub).EventAppeared.Event.EventNumber)
	}
	w.append("s-1", kurrentdb.NoStream{}, events(3)...)
	ahead := w.subscribe("s-1", kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Revision(10)})
	require.NotNil(t, recv(t, ahead).CaughtUp)
	w.append("s-1", kurrentdb.Any{}, events(10)...)
	require.EqualValues(t, 11, recv(t, ahead).EventAppeared.Event.EventNumber)
}

func TestSubscription_WaitsForAMissingStream(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	sub := w.subscribe("later-1", kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	require.Nil(t, recv(t, sub).CaughtUp.StreamRevision)
	w.append("later-1", kurrentdb.NoStream{}, event("a"))
	require.EqualValues(t, 0, recv(t, sub).EventAppeared.Event.EventNumber)
	links := w.subscribe("$ce-later", kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}, ResolveLinkTos: true})
	require.Equal(t, "later-1", recv(t, links).EventAppeared.Event.StreamID)
}

func TestSubscription_EndsWithATombstone(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	sub := w.subscribe("s-1", kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	require.NotNil(t, recv(t, sub).CaughtUp)
	require.NoError(t, w.tombstone("s-1", kurrentdb.Any{}))
	require.Equal(t, "$streamDeleted", recv(t, sub).EventAppeared.Event.EventType)
	require.ErrorContains(t, recv(t, sub).SubscriptionDropped.Error, "is deleted")
}

func TestFilteredSubscription_CheckpointsInOrder(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	for i := range 30 {
		w.append(fmt.Sprintf("noise-%d", i), kurrentdb.NoStream{}, event("noise"))
	}
	placed := w.append("order-1", kurrentdb.NoStream{}, event("placed"))
	sub := w.subscribeAll(kurrentdb.SubscribeToAllOptions{
		From: kurrentdb.Start{}, MaxSearchWindow: 10, CheckpointInterval: 2,
		Filter: &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Prefixes: []string{"order-", "credit-"}},
	})
	var position uint64
	checkpoints, appeared := 0, 0
	for {
		next := recv(t, sub)
		if next.CaughtUp != nil {
			require.Equal(t, position, next.CaughtUp.Position.Commit, "a checkpoint is right before caught up")
			require.Equal(t, placed.CommitPosition, position, "at the last event sent: the links behind it do not count")
			break
		}
		if next.CheckPointReached != nil {
			require.Greater(t, next.CheckPointReached.Commit, position)
			position = next.CheckPointReached.Commit
			checkpoints++
			continue
		}
		require.Equal(t, "order-1", next.EventAppeared.Event.StreamID)
		appeared++
	}
	require.Equal(t, 1, appeared)
	require.Greater(t, checkpoints, 3)

	resumed := w.subscribeAll(kurrentdb.SubscribeToAllOptions{
		From:   kurrentdb.Position{Commit: position, Prepare: position},
		Filter: &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Prefixes: []string{"order-"}},
	})
	require.NotNil(t, recv(t, resumed).CheckPointReached, "a checkpoint means: resume after it")
	require.NotNil(t, recv(t, resumed).CaughtUp)
	w.append("order-2", kurrentdb.NoStream{}, event("placed"))
	require.Equal(t, "order-2", recv(t, resumed).EventAppeared.Event.StreamID)
}

func TestFilteredSubscription_RepeatsNoCheckpoint(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("order-1", kurrentdb.NoStream{}, event("placed"))
	w.append("noise", kurrentdb.NoStream{}, events(30)...)
	sub := w.subscribeAll(kurrentdb.SubscribeToAllOptions{
		From: kurrentdb.Start{}, MaxSearchWindow: 1, CheckpointInterval: 1,
		Filter: &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Prefixes: []string{"order-"}},
	})
	var last uint64
	for next := recv(t, sub); next.CaughtUp == nil; next = recv(t, sub) {
		if next.CheckPointReached != nil {
			require.Greater(t, next.CheckPointReached.Commit, last)
			last = next.CheckPointReached.Commit
		}
	}
}

func TestFilteredSubscription_SystemTypesAndExpression(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("order-1", kurrentdb.NoStream{}, event("placed"), event("paid"))
	sub := w.subscribeAll(kurrentdb.SubscribeToAllOptions{
		From: kurrentdb.Start{}, Filter: &kurrentdb.SubscriptionFilter{Type: kurrentdb.EventFilterType, Regex: "^pa"},
	})
	for {
		next := recv(t, sub)
		if next.EventAppeared != nil {
			require.Equal(t, "paid", next.EventAppeared.Event.EventType)
			break
		}
		require.NotNil(t, next.CheckPointReached)
	}
	_, err := w.client.SubscribeToAll(t.Context(), kurrentdb.SubscribeToAllOptions{
		Filter: &kurrentdb.SubscriptionFilter{Type: kurrentdb.EventFilterType, Regex: "(?<=x)a"},
	})
	require.Error(t, err, "look-around is rejected with an error")
}

func TestSubscriptionToAll_DeliversEverything(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("order-1", kurrentdb.NoStream{}, events(50)...)
	want := w.readAll(kurrentdb.ReadAllOptions{})
	sub := w.subscribeAll(kurrentdb.SubscribeToAllOptions{From: kurrentdb.Start{}})
	for _, e := range want {
		require.Equal(t, e.Event.Position, recv(t, sub).EventAppeared.Event.Position)
	}
	require.Equal(t, want[len(want)-1].Event.Position, *recv(t, sub).CaughtUp.Position)
}

func TestFilteredSubscription_LiveCheckpoints(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	sub := w.subscribeAll(kurrentdb.SubscribeToAllOptions{
		From: kurrentdb.End{}, MaxSearchWindow: 4, CheckpointInterval: 2,
		Filter: &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Prefixes: []string{"order-"}},
	})
	require.NotNil(t, recv(t, sub).CaughtUp)
	w.append("order-1", kurrentdb.NoStream{}, event("placed"))
	placed := recv(t, sub).EventAppeared
	require.NotNil(t, placed)
	before := w.readAll(kurrentdb.ReadAllOptions{})
	w.append("noise", kurrentdb.NoStream{}, events(20)...)
	log := w.readAll(kurrentdb.ReadAllOptions{})
	last := placed.Event.Position.Commit
	for range (len(log) - len(before)) / 8 {
		checkpoint := recv(t, sub).CheckPointReached
		require.NotNil(t, checkpoint)
		passed := 0
		for _, e := range log {
			if e.Event.Position.Commit > last && e.Event.Position.Commit <= checkpoint.Commit {
				passed++
			}
		}
		require.LessOrEqual(t, passed, 8, "eight events between two checkpoints, matching or not")
		require.Positive(t, passed)
		last = checkpoint.Commit
	}
}

func TestSubscription_IgnoresMetadataOnceLive(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(4)...)
	w.setMetadata("s-1", func(m *kurrentdb.StreamMetadata) { m.SetMaxCount(2) })
	sub := w.subscribe("s-1", kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	for revision := range uint64(2) {
		require.Equal(t, revision+2, recv(t, sub).EventAppeared.Event.EventNumber)
	}
	require.EqualValues(t, 3, *recv(t, sub).CaughtUp.StreamRevision)
	w.append("s-1", kurrentdb.Any{}, events(4)...)
	for revision := range uint64(4) {
		require.Equal(t, revision+4, recv(t, sub).EventAppeared.Event.EventNumber)
	}
}

func TestSubscription_CaughtUpWithoutAnEvent(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(2)...)
	w.setMetadata("s-1", func(m *kurrentdb.StreamMetadata) { m.SetTruncateBefore(2) })
	from := func(position kurrentdb.StreamPosition) *kurrentdb.CaughtUp {
		return recv(t, w.subscribe("s-1", kurrentdb.SubscribeToStreamOptions{From: position})).CaughtUp
	}
	require.Nil(t, from(kurrentdb.Start{}).StreamRevision, "nothing was sent")
	require.EqualValues(t, 1, *from(kurrentdb.End{}).StreamRevision)
}

func TestSubscription_ImpossibleStart(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	first := w.append("s-1", kurrentdb.NoStream{}, event("a"))
	w.append("s-1", kurrentdb.Any{}, event("b"))
	inside := kurrentdb.Position{Commit: first.CommitPosition - 1, Prepare: first.PreparePosition - 1}
	dropped := recv(t, w.subscribeAll(kurrentdb.SubscribeToAllOptions{From: inside})).SubscriptionDropped
	require.Equal(t, codes.InvalidArgument, status.Code(dropped.Error))
	require.ErrorContains(t, dropped.Error, "Trying to read from an invalid position.")
	read, err := w.client.ReadAll(t.Context(), kurrentdb.ReadAllOptions{From: inside}, 1)
	if err == nil {
		_, err = read.Recv()
	}
	require.ErrorContains(t, err, "Exception was thrown by handler.")
}

func TestSubscription_CaughtUpBefore2410(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{Version: "23.10.0"})
	bare := recv(t, w.subscribe("s-1", kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}}))
	require.Equal(t, &kurrentdb.SubscriptionEvent{}, bare, "the client makes nothing of the message without a time")
	bare = recv(t, w.subscribeAll(kurrentdb.SubscribeToAllOptions{From: kurrentdb.End{}}))
	require.Equal(t, &kurrentdb.SubscriptionEvent{}, bare)
}
