package kurrentsim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
)

// received records what a consumer has received so far.
type received struct {
	*kurrentdb.PersistentSubscription
	events []*kurrentdb.ResolvedEvent
}

// take waits until all consumers together have received total messages. It acknowledges
// none.
func take(t *testing.T, total int, consumers ...*received) {
	t.Helper()
	type arrival struct {
		consumer *received
		event    *kurrentdb.ResolvedEvent
	}
	arrivals := make(chan arrival, total)
	for _, c := range consumers {
		go func() {
			for {
				e := c.Recv().EventAppeared
				if e == nil {
					return
				}
				arrivals <- arrival{c, e.Event}
			}
		}()
	}
	for range total {
		select {
		case a := <-arrivals:
			a.consumer.events = append(a.consumer.events, a.event)
		case <-time.After(patience):
			require.Fail(t, "not all messages were delivered")
		}
	}
}

func TestGroup_Pinned(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.createGroup("$ce-order", "g", func(s *kurrentdb.PersistentSubscriptionSettings) {
		s.ResolveLinkTos, s.ConsumerStrategyName = true, kurrentdb.ConsumerStrategyPinned
	})
	a := &received{PersistentSubscription: w.join("$ce-order", "g", 200)}
	b := &received{PersistentSubscription: w.join("$ce-order", "g", 200)}
	for i := range 60 {
		w.append(fmt.Sprintf("order-%d", i%20), kurrentdb.Any{}, event("placed"))
	}
	take(t, 60, a, b)
	owner := map[string]*received{}
	for _, c := range []*received{a, b} {
		require.NotEmpty(t, c.events)
		for _, e := range c.events {
			first, known := owner[e.Event.StreamID]
			require.True(t, !known || first == c, "%s has two consumers", e.Event.StreamID)
			owner[e.Event.StreamID] = c
		}
	}
}

func TestGroup_DispatchToSingle(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.createGroup("s-1", "g", func(s *kurrentdb.PersistentSubscriptionSettings) {
		s.ConsumerStrategyName = kurrentdb.ConsumerStrategyDispatchToSingle
	})
	a := &received{PersistentSubscription: w.join("s-1", "g", 4)}
	b := &received{PersistentSubscription: w.join("s-1", "g", 10)}
	w.append("s-1", kurrentdb.NoStream{}, events(6)...)
	take(t, 6, a, b)
	require.Equal(t, []uint64{0, 1, 2, 3}, revisions(a.events))
	require.Equal(t, []uint64{4, 5}, revisions(b.events))
}

func TestGroup_DropsSkippedAndStoppedMessages(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(3)...)
	w.createGroup("s-1", "g", nil)
	sub := w.join("s-1", "g", 1)
	for i, action := range []kurrentdb.NackAction{kurrentdb.NackActionSkip, kurrentdb.NackActionStop, kurrentdb.NackActionUnknown} {
		e := next(t, sub)
		require.EqualValues(t, i, e.Event.Event.EventNumber)
		require.NoError(t, sub.Nack("", action, e.Event))
	}
	again := next(t, sub)
	require.EqualValues(t, 2, again.Event.Event.EventNumber, "unknown means retry")
	require.Equal(t, 1, again.RetryCount)
	require.Zero(t, w.info("s-1", "g").Stats.ParkedMessagesCount)
}

func TestGroup_NoMessageWaitsForTheNext(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.createGroup("s-1", "g", nil)
	sub := w.join("s-1", "g", 10)
	for i := range 500 { // an acknowledgement and a new event reach the group at the same time
		w.append("s-1", kurrentdb.Any{}, event("a"))
		e := next(t, sub)
		require.EqualValues(t, i, e.Event.Event.EventNumber)
		require.NoError(t, sub.Ack(e.Event))
	}
}

func TestGroup_ParkedAgainAfterAReplay(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, event("a"))
	w.createGroup("s-1", "g", nil)
	sub := w.join("s-1", "g", 10)
	require.NoError(t, sub.Nack("once", kurrentdb.NackActionPark, next(t, sub).Event))
	w.awaitParked("s-1", "g", 1)
	require.NoError(t, w.client.ReplayParkedMessages(t.Context(), "s-1", "g", kurrentdb.ReplayParkedMessagesOptions{}))
	replayed := next(t, sub)
	w.awaitParked("s-1", "g", 0)
	require.NoError(t, sub.Nack("twice", kurrentdb.NackActionPark, replayed.Event))
	w.awaitParked("s-1", "g", 1)
	left := w.readStream("$persistentsubscription-s-1::g-parked", kurrentdb.ReadStreamOptions{})
	require.Equal(t, []uint64{1}, revisions(left))
	require.Equal(t, []string{"0@s-1"}, linkData(left))
	require.Contains(t, string(left[0].Event.UserMetadata), "twice")
}

func TestGroup_CheckpointPassesFilteredEvents(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	settings := kurrentdb.SubscriptionSettingsDefault()
	settings.CheckpointLowerBound, settings.CheckpointUpperBound = 1, 5
	require.NoError(t, w.client.CreatePersistentSubscriptionToAll(t.Context(), "g", kurrentdb.PersistentAllSubscriptionOptions{
		Settings: &settings, StartFrom: kurrentdb.Start{},
		Filter: &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Prefixes: []string{"order-"}},
	}))
	sub, err := w.client.SubscribeToPersistentSubscriptionToAll(t.Context(), "g", kurrentdb.SubscribeToPersistentSubscriptionOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = sub.Close() })
	checkpoint := func(t require.TestingT) uint64 {
		info, err := w.client.GetPersistentSubscriptionInfoToAll(w.Context(), "g", kurrentdb.GetPersistentSubscriptionOptions{})
		require.NoError(t, err)
		if info.Stats.LastCheckpointedPosition == nil {
			return 0
		}
		return info.Stats.LastCheckpointedPosition.Commit
	}
	w.append("order-1", kurrentdb.NoStream{}, event("placed"))
	held := next(t, sub)
	noise := w.append("noise-1", kurrentdb.NoStream{}, events(20)...)
	require.Less(t, checkpoint(t), held.Event.Event.Position.Commit, "not past messages in flight")
	require.NoError(t, sub.Ack(held.Event))
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.GreaterOrEqual(c, checkpoint(c), noise.CommitPosition)
	}, patience, 10*time.Millisecond)
}

func TestGroup_SecondReplay(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(30)...)
	w.createGroup("s-1", "g", func(s *kurrentdb.PersistentSubscriptionSettings) { s.ReadBatchSize, s.HistoryBufferSize = 5, 10 })
	sub := w.join("s-1", "g", 30)
	for range 30 {
		require.NoError(t, sub.Nack("no use", kurrentdb.NackActionPark, next(t, sub).Event))
	}
	w.awaitParked("s-1", "g", 30)
	require.NoError(t, sub.Close())
	w.awaitInfo("s-1", "g", func(info *kurrentdb.PersistentSubscriptionInfo) bool { return len(info.Connections) == 0 })
	replay := func() error {
		return w.client.ReplayParkedMessages(t.Context(), "s-1", "g", kurrentdb.ReplayParkedMessagesOptions{})
	}
	require.NoError(t, replay(), "ten are read back and wait for a consumer")
	require.NoError(t, replay())
	sub = w.join("s-1", "g", 30)
	for revision := range 30 {
		message := next(t, sub)
		require.EqualValues(t, revision, message.Event.Event.EventNumber, "each is delivered once")
		require.NoError(t, sub.Ack(message.Event))
	}
	w.awaitParked("s-1", "g", 0)
}

func TestGroup_SurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := newRestartable(t, dir)
	before.append("s-1", kurrentdb.NoStream{}, event("a"))
	before.createGroup("s-1", "g", func(s *kurrentdb.PersistentSubscriptionSettings) {
		s.MaxRetryCount, s.MessageTimeout, s.ConsumerStrategyName = 7, 12_345, kurrentdb.ConsumerStrategyPinned
	})
	sub := before.join("s-1", "g", 10)
	require.NoError(t, sub.Nack("no use", kurrentdb.NackActionPark, next(t, sub).Event))
	before.awaitParked("s-1", "g", 1)
	settings := before.info("s-1", "g").Settings
	require.NoError(t, sub.Close())
	before.stop()

	after := newRestartable(t, dir)
	require.Equal(t, settings, after.info("s-1", "g").Settings)
	require.EqualValues(t, 1, after.info("s-1", "g").Stats.ParkedMessagesCount)
	sub = after.join("s-1", "g", 10)
	require.NoError(t, after.client.ReplayParkedMessages(t.Context(), "s-1", "g", kurrentdb.ReplayParkedMessagesOptions{}))
	for replayed := false; !replayed; { // the message itself may be redelivered too: no checkpoint was due
		e := next(t, sub)
		replayed = e.Event.Link != nil && e.Event.Link.StreamID == "$persistentsubscription-s-1::g-parked"
		require.NoError(t, sub.Ack(e.Event))
	}
	require.NoError(t, sub.Close())
	after.stop()
}

func TestGroup_CountsEventsItHasNoRoomFor(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.createGroup("s-1", "g", func(s *kurrentdb.PersistentSubscriptionSettings) {
		s.ReadBatchSize, s.HistoryBufferSize, s.LiveBufferSize = 1, 2, 2
	})
	for range 50 {
		w.append("s-1", kurrentdb.Any{}, event("placed"))
	}
	w.awaitInfo("s-1", "g", func(info *kurrentdb.PersistentSubscriptionInfo) bool {
		known := info.Stats.LastKnownEventRevision
		return known != nil && *known == 49
	})
}
