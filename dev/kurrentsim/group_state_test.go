package kurrentsim_test

import (
	"math"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
)

func TestGroup_ReadsAheadWithoutConsumers(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(4)...)
	w.createGroup("s-1", "g", nil)
	w.awaitInfo("s-1", "g", func(info *kurrentdb.PersistentSubscriptionInfo) bool {
		return info.Status == "Live" && info.Stats.ReadBufferCount == 4 && info.Stats.LiveBufferCount == 0
	})
	w.append("s-1", kurrentdb.Any{}, events(2)...)
	w.awaitInfo("s-1", "g", func(info *kurrentdb.PersistentSubscriptionInfo) bool {
		return info.Status == "Live" && info.Stats.ReadBufferCount == 6 && info.Stats.LiveBufferCount == 2
	})
}

func TestGroup_FallsBehindWhenItsBufferIsFull(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.createGroup("s-1", "g", func(s *kurrentdb.PersistentSubscriptionSettings) {
		s.ReadBatchSize, s.HistoryBufferSize, s.LiveBufferSize = 2, 4, 3
	})
	w.append("s-1", kurrentdb.NoStream{}, events(9)...)
	w.awaitInfo("s-1", "g", func(info *kurrentdb.PersistentSubscriptionInfo) bool {
		known := info.Stats.LastKnownEventRevision
		return info.Status == "Behind" && info.Stats.ReadBufferCount == 4 && info.Stats.LiveBufferCount == 3 && known != nil && *known == 8
	})
	sub := w.join("s-1", "g", 3)
	for i := range 9 {
		e := next(t, sub)
		require.EqualValues(t, i, e.Event.Event.EventNumber)
		require.NoError(t, sub.Ack(e.Event))
	}
	w.awaitInfo("s-1", "g", func(info *kurrentdb.PersistentSubscriptionInfo) bool {
		return info.Status == "Live" && info.Connections[0].TotalItemsProcessed == 9 && info.Connections[0].From == "empty" &&
			info.Connections[0].Username == "system"
	})
}

func TestGroup_DeliversTheTombstoneWhenLive(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, event("a"))
	w.createGroup("s-1", "g", nil)
	sub := w.join("s-1", "g", 10)
	require.NoError(t, sub.Ack(next(t, sub).Event))
	require.NoError(t, w.tombstone("s-1", kurrentdb.Any{}))
	last := next(t, sub).Event
	require.Equal(t, "$streamDeleted", last.Event.EventType)
	require.EqualValues(t, math.MaxInt64, last.Event.EventNumber)
	require.NoError(t, sub.Ack(last))
	require.ErrorContains(t, nextMessage(t, w.join("s-1", "g", 10)).SubscriptionDropped.Error, "was dropped", "the group drops every consumer that joins")
}

func TestGroup_OnATombstonedStreamKeepsReading(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, event("a"))
	require.NoError(t, w.tombstone("s-1", kurrentdb.Any{}))
	w.createGroup("s-1", "g", nil)
	w.awaitInfo("s-1", "g", func(info *kurrentdb.PersistentSubscriptionInfo) bool {
		return info.Status == "Behind, OutstandingPageRequest" && info.Stats.ReadBufferCount == 0
	})
}

// parkThree makes the group park all of s-1, and returns its consumer.
func (w *testServer) parkThree() *kurrentdb.PersistentSubscription {
	w.Helper()
	w.append("s-1", kurrentdb.NoStream{}, events(3)...)
	w.createGroup("s-1", "g", nil)
	sub := w.join("s-1", "g", 10)
	for range 3 {
		require.NoError(w, sub.Nack("no use", kurrentdb.NackActionPark, next(w.T, sub).Event))
	}
	w.awaitParked("s-1", "g", 3)
	return sub
}

func (w *testServer) truncate(stream, metadata string) {
	w.Helper()
	boundary := event("$metadata")
	boundary.Data = []byte(metadata)
	w.append("$$"+stream, kurrentdb.Any{}, boundary)
}

func TestGroup_ParkedCount(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.parkThree()
	w.truncate("$persistentsubscription-s-1::g-parked", `{"$tb":2}`)
	require.EqualValues(t, 3, w.info("s-1", "g").Stats.ParkedMessagesCount)
	require.NoError(t, w.client.ReplayParkedMessages(t.Context(), "s-1", "g", kurrentdb.ReplayParkedMessagesOptions{}))
	w.awaitParked("s-1", "g", 0)
}

func TestGroup_ReplayBelowTheBoundaryLowersIt(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.parkThree()
	parked := "$persistentsubscription-s-1::g-parked"
	w.truncate(parked, `{"$tb":3,"mine":1}`)
	require.NoError(t, w.client.ReplayParkedMessages(t.Context(), "s-1", "g", kurrentdb.ReplayParkedMessagesOptions{StopAt: 1}))
	w.awaitParked("s-1", "g", 2)
	require.Equal(t, []uint64{1, 2}, revisions(w.readStream(parked, kurrentdb.ReadStreamOptions{})), "the dropped messages are visible again")
}
