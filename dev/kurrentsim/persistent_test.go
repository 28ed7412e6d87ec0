package kurrentsim_test

import (
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
)

// createGroup creates a group from the start of a stream, with changed settings.
func (w *testServer) createGroup(stream, group string, change func(*kurrentdb.PersistentSubscriptionSettings)) {
	w.Helper()
	settings := kurrentdb.SubscriptionSettingsDefault()
	if change != nil {
		change(&settings)
	}
	err := w.client.CreatePersistentSubscription(w.Context(), stream, group, kurrentdb.PersistentStreamSubscriptionOptions{
		Settings: &settings, StartFrom: kurrentdb.Start{},
	})
	require.NoError(w, err)
}

func (w *testServer) join(stream, group string, buffer uint32) *kurrentdb.PersistentSubscription {
	w.Helper()
	sub, err := w.client.SubscribeToPersistentSubscription(w.Context(), stream, group,
		kurrentdb.SubscribeToPersistentSubscriptionOptions{BufferSize: buffer})
	require.NoError(w, err)
	w.Cleanup(func() { _ = sub.Close() })
	return sub
}

func (w *testServer) info(stream, group string) *kurrentdb.PersistentSubscriptionInfo {
	w.Helper()
	info, err := w.client.GetPersistentSubscriptionInfo(w.Context(), stream, group, kurrentdb.GetPersistentSubscriptionOptions{})
	require.NoError(w, err)
	return info
}

// awaitInfo waits until the info of a group satisfies holds.
func (w *testServer) awaitInfo(stream, group string, holds func(*kurrentdb.PersistentSubscriptionInfo) bool) {
	w.Helper()
	require.EventuallyWithT(w, func(c *assert.CollectT) {
		info, err := w.client.GetPersistentSubscriptionInfo(w.Context(), stream, group, kurrentdb.GetPersistentSubscriptionOptions{})
		require.NoError(c, err)
		require.True(c, holds(info), "%+v", info.Stats)
	}, patience, 5*time.Millisecond)
}

func (w *testServer) awaitParked(stream, group string, count int64) {
	w.Helper()
	w.awaitInfo(stream, group, func(info *kurrentdb.PersistentSubscriptionInfo) bool { return info.Stats.ParkedMessagesCount == count })
}

// next waits for a delivery.
func next(t *testing.T, sub *kurrentdb.PersistentSubscription) *kurrentdb.EventAppeared {
	t.Helper()
	e := nextMessage(t, sub)
	require.NotNil(t, e.EventAppeared, "dropped: %v", e.SubscriptionDropped)
	return e.EventAppeared
}

func nextMessage(t *testing.T, sub *kurrentdb.PersistentSubscription) *kurrentdb.PersistentSubscriptionEvent {
	t.Helper()
	result := make(chan *kurrentdb.PersistentSubscriptionEvent, 1)
	go func() { result <- sub.Recv() }()
	select {
	case e := <-result:
		return e
	case <-time.After(patience):
		require.NoError(t, sub.Close())
		require.Fail(t, "nothing was delivered")
		return nil
	}
}

func TestGroup_DeliversItsCategory(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("order-1", kurrentdb.NoStream{}, event("placed"))
	w.createGroup("$ce-order", "g", func(s *kurrentdb.PersistentSubscriptionSettings) { s.ResolveLinkTos = true })
	sub := w.join("$ce-order", "g", 10)
	first := next(t, sub)
	require.Equal(t, "order-1", first.Event.Event.StreamID)
	require.Equal(t, "$ce-order", first.Event.Link.StreamID)
	require.NoError(t, sub.Ack(first.Event))
	require.NoError(t, w.delete("order-1", kurrentdb.Any{}))
	deletion := next(t, sub)
	require.Equal(t, "$metadata", deletion.Event.Event.EventType)
	require.NoError(t, w.tombstone("order-2", kurrentdb.Any{}))
	gone := next(t, sub)
	require.Nil(t, gone.Event.Event)
	require.Equal(t, "9223372036854775807@order-2", string(gone.Event.Link.Data))
	require.NoError(t, sub.Ack(deletion.Event, gone.Event))
}

func TestGroup_ParksAndReplays(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(3)...)
	w.createGroup("s-1", "g", nil)
	sub := w.join("s-1", "g", 10)
	for range 3 {
		require.NoError(t, sub.Nack("no use", kurrentdb.NackActionPark, next(t, sub).Event))
	}
	parkedStream := "$persistentsubscription-s-1::g-parked"
	w.awaitParked("s-1", "g", 3)
	granted := event("x")
	granted.EventType, granted.Data = "$metadata", []byte(`{"$acl":{"$r":"support"},"team":"orders"}`)
	w.append("$$"+parkedStream, kurrentdb.Any{}, granted)
	parked := w.readStream(parkedStream, kurrentdb.ReadStreamOptions{ResolveLinkTos: true})
	require.Equal(t, []string{"0@s-1", "1@s-1", "2@s-1"}, linkData(parked))
	require.Equal(t, "type-2", parked[2].Event.EventType)
	require.Contains(t, string(parked[0].Link.UserMetadata), `"reason": "Client explicitly NAK'ed message.\nno use"`)

	require.NoError(t, w.client.ReplayParkedMessages(t.Context(), "s-1", "g", kurrentdb.ReplayParkedMessagesOptions{StopAt: 2}))
	for i := range 2 {
		replayed := next(t, sub)
		require.Zero(t, replayed.RetryCount)
		require.Equal(t, parkedStream, replayed.Event.Link.StreamID)
		require.EqualValues(t, i, replayed.Event.Event.EventNumber)
		require.NoError(t, sub.Ack(replayed.Event))
	}
	w.awaitParked("s-1", "g", 1)
	metadata := w.readStream("$$"+parkedStream, kurrentdb.ReadStreamOptions{})
	require.JSONEq(t, `{"$tb":2,"$acl":{"$r":"$admins","$w":"$admins","$d":"$admins","$mr":"$admins","$mw":"$admins"}}`,
		string(metadata[len(metadata)-1].Event.Data), "what was granted before is lost")
}

func TestGroup_RetriesThenParks(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, event("a"))
	w.createGroup("s-1", "g", func(s *kurrentdb.PersistentSubscriptionSettings) {
		s.MaxRetryCount, s.MessageTimeout = 2, 200
	})
	sub := w.join("s-1", "g", 10)
	require.NoError(t, sub.Nack("again", kurrentdb.NackActionRetry, next(t, sub).Event))
	require.Equal(t, 1, next(t, sub).RetryCount) // this one times out
	require.Equal(t, 2, next(t, sub).RetryCount) // so does this one
	w.awaitParked("s-1", "g", 1)
	parked := w.readStream("$persistentsubscription-s-1::g-parked", kurrentdb.ReadStreamOptions{})
	require.Contains(t, string(parked[0].Event.UserMetadata), "Reached retry count of 2")
}

func TestGroup_RedeliversMessagesOfALostConsumer(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(3)...)
	w.createGroup("s-1", "g", nil)
	lost := w.join("s-1", "g", 10)
	for range 3 {
		next(t, lost)
	}
	heir := w.join("s-1", "g", 10)
	require.NoError(t, lost.Close())
	for i := range 3 {
		again := next(t, heir)
		require.EqualValues(t, i, again.Event.Event.EventNumber)
		require.Equal(t, 1, again.RetryCount)
	}
}

func TestGroup_RoundRobin(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.createGroup("s-1", "g", nil)
	a, b := w.join("s-1", "g", 10), w.join("s-1", "g", 10)
	w.append("s-1", kurrentdb.NoStream{}, events(6)...)
	got := map[uint64]bool{}
	for range 3 {
		for _, sub := range []*kurrentdb.PersistentSubscription{a, b} {
			got[next(t, sub).Event.Event.EventNumber] = true
		}
	}
	require.Len(t, got, 6)
}

func TestGroup_ResumesBehindItsCheckpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := newRestartable(t, dir)
	before.append("s-1", kurrentdb.NoStream{}, events(5)...)
	before.createGroup("s-1", "g", func(s *kurrentdb.PersistentSubscriptionSettings) {
		s.CheckpointLowerBound, s.CheckpointUpperBound = 1, 1
	})
	sub := before.join("s-1", "g", 10)
	for i := range 4 {
		e := next(t, sub)
		if i < 3 {
			require.NoError(t, sub.Ack(e.Event))
		}
	}
	before.awaitInfo("s-1", "g", func(info *kurrentdb.PersistentSubscriptionInfo) bool {
		revision := info.Stats.LastCheckpointedEventRevision
		return revision != nil && *revision == 2
	})
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		found, err := before.tryReadStream("$persistentsubscription-s-1::g-checkpoint", kurrentdb.ReadStreamOptions{})
		require.NoError(c, err)
		require.NotEmpty(c, found)
		require.Equal(c, `"2"`, string(found[len(found)-1].Event.Data))
	}, patience, 5*time.Millisecond)
	require.NoError(t, sub.Close())
	before.stop()

	after := newRestartable(t, dir)
	sub = after.join("s-1", "g", 10)
	first := next(t, sub)
	require.EqualValues(t, 3, first.Event.Event.EventNumber)
	require.Zero(t, first.RetryCount, "a restart resets the counts")
	require.NoError(t, sub.Close())
	after.stop()
}

func TestGroup_FromTheEnd(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(3)...)
	require.NoError(t, w.client.CreatePersistentSubscription(t.Context(), "s-1", "g",
		kurrentdb.PersistentStreamSubscriptionOptions{StartFrom: kurrentdb.End{}}))
	w.append("s-1", kurrentdb.Any{}, event("later"))
	require.NoError(t, w.client.RestartPersistentSubscriptionSubsystem(t.Context(), kurrentdb.RestartPersistentSubscriptionSubsystemOptions{}))
	require.EqualValues(t, 3, next(t, w.join("s-1", "g", 10)).Event.Event.EventNumber)
}

func TestGroup_FilterOnAll(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("order-1", kurrentdb.NoStream{}, event("placed"))
	w.append("other-1", kurrentdb.NoStream{}, event("placed"))
	w.append("order-2", kurrentdb.NoStream{}, event("placed"))
	settings := kurrentdb.SubscriptionSettingsDefault()
	require.NoError(t, w.client.CreatePersistentSubscriptionToAll(t.Context(), "g", kurrentdb.PersistentAllSubscriptionOptions{
		Settings: &settings, StartFrom: kurrentdb.Start{},
		Filter: &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Prefixes: []string{"order-"}},
	}))
	sub, err := w.client.SubscribeToPersistentSubscriptionToAll(t.Context(), "g", kurrentdb.SubscribeToPersistentSubscriptionOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = sub.Close() })
	require.Equal(t, "order-1", next(t, sub).Event.Event.StreamID)
	require.Equal(t, "order-2", next(t, sub).Event.Event.StreamID)
	info, err := w.client.GetPersistentSubscriptionInfoToAll(t.Context(), "g", kurrentdb.GetPersistentSubscriptionOptions{})
	require.NoError(t, err)
	require.Equal(t, "$all", info.EventSource)
}

func TestGroupManagement_Errors(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	create := func(stream string, change func(*kurrentdb.PersistentSubscriptionSettings)) error {
		settings := kurrentdb.SubscriptionSettingsDefault()
		change(&settings)
		return w.client.CreatePersistentSubscription(t.Context(), stream, "g", kurrentdb.PersistentStreamSubscriptionOptions{Settings: &settings})
	}
	same := func(*kurrentdb.PersistentSubscriptionSettings) {}
	require.NoError(t, create("s-1", same))
	requireCode(t, create("s-1", same), kurrentdb.ErrorCodeResourceAlreadyExists)
	require.ErrorContains(t, create("$all", same), "Envelope callback")
	require.ErrorContains(t, create("s-2", func(s *kurrentdb.PersistentSubscriptionSettings) { s.ReadBatchSize = 500 }), "read batch size")
	require.ErrorContains(t, create("s-2", func(s *kurrentdb.PersistentSubscriptionSettings) { s.ConsumerStrategyName = "Lottery" }), "Lottery")

	_, err := w.client.GetPersistentSubscriptionInfo(t.Context(), "s-9", "g", kurrentdb.GetPersistentSubscriptionOptions{})
	requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
	_, err = w.client.SubscribeToPersistentSubscription(t.Context(), "s-9", "g", kurrentdb.SubscribeToPersistentSubscriptionOptions{})
	requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
	err = w.client.DeletePersistentSubscription(t.Context(), "s-9", "g", kurrentdb.DeletePersistentSubscriptionOptions{})
	requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
	_, err = w.client.ListPersistentSubscriptionsForStream(t.Context(), "s-9", kurrentdb.ListPersistentSubscriptionsOptions{})
	requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
	all, err := w.client.ListAllPersistentSubscriptions(t.Context(), kurrentdb.ListPersistentSubscriptionsOptions{})
	require.NoError(t, err)
	require.Len(t, all, 1)
}

func TestGroup_MaxSubscribers(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.createGroup("s-1", "g", func(s *kurrentdb.PersistentSubscriptionSettings) { s.MaxSubscriberCount = 1 })
	w.join("s-1", "g", 10)
	_, err := w.client.SubscribeToPersistentSubscription(t.Context(), "s-1", "g", kurrentdb.SubscribeToPersistentSubscriptionOptions{})
	require.ErrorContains(t, err, "Maximum subscriptions reached")
}

func TestGroup_UpdateAndDeleteDropConsumers(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.createGroup("s-1", "g", nil)
	sub := w.join("s-1", "g", 10)
	settings := kurrentdb.SubscriptionSettingsDefault()
	settings.MaxRetryCount = 77
	require.NoError(t, w.client.UpdatePersistentSubscription(t.Context(), "s-1", "g", kurrentdb.PersistentStreamSubscriptionOptions{Settings: &settings}))
	require.ErrorContains(t, nextMessage(t, sub).SubscriptionDropped.Error, "was dropped")
	require.EqualValues(t, 77, w.info("s-1", "g").Settings.MaxRetryCount)

	sub = w.join("s-1", "g", 10)
	require.NoError(t, w.client.DeletePersistentSubscription(t.Context(), "s-1", "g", kurrentdb.DeletePersistentSubscriptionOptions{}))
	require.ErrorContains(t, nextMessage(t, sub).SubscriptionDropped.Error, "was dropped")
}

func TestGroup_RecreatedAfterDelete(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(2)...)
	for round := range int64(2) {
		w.createGroup("s-1", "g", func(s *kurrentdb.PersistentSubscriptionSettings) {
			s.CheckpointLowerBound, s.CheckpointUpperBound = 1, 1
		})
		require.Zero(t, w.info("s-1", "g").Stats.ParkedMessagesCount)
		sub := w.join("s-1", "g", 10)
		require.NoError(t, sub.Nack("", kurrentdb.NackActionPark, next(t, sub).Event))
		require.NoError(t, sub.Ack(next(t, sub).Event))
		w.awaitInfo("s-1", "g", func(info *kurrentdb.PersistentSubscriptionInfo) bool {
			// It counts from the first event that was ever parked under the name.
			return info.Stats.ParkedMessagesCount == round+1 && info.Stats.LastCheckpointedEventRevision != nil
		})
		require.NoError(t, w.client.DeletePersistentSubscription(t.Context(), "s-1", "g", kurrentdb.DeletePersistentSubscriptionOptions{}))
	}
}
