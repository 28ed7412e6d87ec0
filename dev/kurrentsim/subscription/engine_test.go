package subscription_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/kurrentsim/subscription"
)

// consumer records what it was offered.
type consumer struct {
	got    []subscription.Message
	refuse bool
}

func (c *consumer) Offer(m subscription.Message) bool {
	if c.refuse {
		return false
	}
	c.got = append(c.got, m)
	return true
}

func (c *consumer) places() []int64 {
	places := []int64{}
	for _, m := range c.got {
		places = append(places, m.Place)
	}
	return places
}

// engineRig is an engine with a clock.
type engineRig struct {
	*subscription.Engine
	now  time.Time
	next int64
}

func newEngineRig(change func(*subscription.Settings)) *engineRig {
	settings := subscription.Settings{
		MaxRetryCount: 2, MinCheckpoint: 2, MaxCheckpoint: 10, ReadBatch: 20, HistoryBuffer: 500,
		MessageTimeout: 30 * time.Second, CheckpointAfter: 2 * time.Second, Strategy: subscription.RoundRobin,
	}
	if change != nil {
		change(&settings)
	}
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	return &engineRig{Engine: subscription.New(settings, subscription.None), now: now}
}

func (r *engineRig) connect(buffer int) *consumer {
	c := &consumer{}
	r.Connect(c, buffer)
	return c
}

// feed adds messages from the given streams, and offers them.
func (r *engineRig) feed(streams ...string) {
	var messages []*subscription.Message
	for _, stream := range streams {
		messages = append(messages, &subscription.Message{
			Event: store.Resolved{Event: &store.Record{ID: uuid.New(), Stream: stream, Revision: r.next}},
			Place: r.next, Previous: r.next - 1,
		})
		r.next++
	}
	r.Feed(messages)
	r.Pump(r.now)
}

func (r *engineRig) feedCount(count int) {
	for i := range count {
		r.feed(fmt.Sprintf("s-%d", i))
	}
}

func (r *engineRig) ack(m subscription.Message) {
	r.Ack([]uuid.UUID{m.ID()}, r.now)
	r.Pump(r.now)
}

func (r *engineRig) nack(action subscription.Action, m subscription.Message) {
	r.Nack([]uuid.UUID{m.ID()}, action, "because")
	r.Pump(r.now)
}

func (r *engineRig) wait(d time.Duration) {
	r.now = r.now.Add(d)
	r.Tick(r.now)
	r.Pump(r.now)
}

func TestEngine_ConsumerBuffer(t *testing.T) {
	t.Parallel()
	r := newEngineRig(nil)
	c := r.connect(2)
	r.feedCount(4)
	require.Equal(t, []int64{0, 1}, c.places())
	r.ack(c.got[0])
	require.Equal(t, []int64{0, 1, 2}, c.places())
	r.nack(subscription.Skip, c.got[1])
	require.Equal(t, []int64{0, 1, 2, 3}, c.places())
}

func TestRoundRobin(t *testing.T) {
	t.Parallel()
	r := newEngineRig(nil)
	a, b := r.connect(10), r.connect(2)
	r.feedCount(7)
	require.Equal(t, []int64{0, 2, 4, 5, 6}, a.places())
	require.Equal(t, []int64{1, 3}, b.places())
}

func TestDispatchToSingle(t *testing.T) {
	t.Parallel()
	r := newEngineRig(func(s *subscription.Settings) { s.Strategy = subscription.DispatchToSingle })
	a, b := r.connect(3), r.connect(10)
	r.feedCount(5)
	require.Equal(t, []int64{0, 1, 2}, a.places())
	require.Equal(t, []int64{3, 4}, b.places())
	r.ack(a.got[0])
	r.feedCount(1)
	require.Equal(t, []int64{3, 4, 5}, b.places(), "it stays with the same consumer")
}

func TestPinned_KeepsAStreamWithItsConsumer(t *testing.T) {
	t.Parallel()
	r := newEngineRig(func(s *subscription.Settings) { s.Strategy = subscription.Pinned })
	a, b := r.connect(100), r.connect(100)
	for range 3 {
		r.feedCount(20)
	}
	owner := map[string]*consumer{}
	for _, c := range []*consumer{a, b} {
		require.NotEmpty(t, c.got)
		for _, m := range c.got {
			stream := m.SourceStream()
			require.True(t, owner[stream] == nil || owner[stream] == c, "one consumer per stream")
			owner[stream] = c
		}
	}
}

func TestPinned_SkipsAFullConsumer(t *testing.T) {
	t.Parallel()
	r := newEngineRig(func(s *subscription.Settings) { s.Strategy = subscription.Pinned })
	a, b := r.connect(1), r.connect(100)
	r.feedCount(40)
	require.Len(t, a.got, 1)
	require.Greater(t, len(b.got), 5, "others continue")
	r.ack(a.got[0])
	require.Len(t, a.got, 2)
	require.Less(t, a.got[0].Place, a.got[1].Place)
}

func TestEngine_RetriesThenParks(t *testing.T) {
	t.Parallel()
	r := newEngineRig(nil)
	c := r.connect(5)
	r.feedCount(1)
	r.nack(subscription.Retry, c.got[0])
	r.wait(30 * time.Second) // the second delivery times out
	r.nack(subscription.Retry, c.got[2])
	require.Len(t, c.got, 3, "one more delivery than retries")
	for i, m := range c.got {
		require.Equal(t, i, m.RetryCount)
	}
	parked := r.TakeParked()
	require.Len(t, parked, 1)
	require.Equal(t, "Reached retry count of 2", parked[0].Reason)
	require.Empty(t, r.TakeParked())
}

func TestEngine_TimeoutWhenDue(t *testing.T) {
	t.Parallel()
	r := newEngineRig(nil)
	c := r.connect(5)
	r.feedCount(2)
	r.wait(29 * time.Second)
	require.Len(t, c.got, 2)
	r.ack(c.got[0])
	r.wait(time.Second)
	require.Equal(t, []int64{0, 1, 1}, c.places())
}

func TestEngine_RetriesBeforeNewMessages(t *testing.T) {
	t.Parallel()
	r := newEngineRig(nil)
	c := r.connect(3)
	r.feedCount(5)
	r.Nack([]uuid.UUID{c.got[2].ID(), c.got[0].ID()}, subscription.Retry, "")
	r.Pump(r.now)
	require.Equal(t, []int64{0, 1, 2, 0, 2}, c.places())
}

func TestDisconnect_ReturnsMessagesWithoutParking(t *testing.T) {
	t.Parallel()
	r := newEngineRig(func(s *subscription.Settings) { s.MaxRetryCount = 0 })
	gone := r.connect(3)
	r.feedCount(4)
	r.Disconnect(gone)
	require.Empty(t, r.TakeParked())
	heir := r.connect(10)
	r.Pump(r.now)
	require.Equal(t, []int64{0, 1, 2, 3}, heir.places())
	require.Equal(t, 1, heir.got[0].RetryCount)
	require.Equal(t, 0, heir.got[3].RetryCount)
}

func TestAck_LateSettlesTheRedelivery(t *testing.T) {
	t.Parallel()
	r := newEngineRig(nil)
	a := r.connect(1)
	r.feedCount(1)
	r.wait(30 * time.Second)
	require.Len(t, a.got, 2)
	r.ack(a.got[0])
	r.wait(time.Minute)
	require.Len(t, a.got, 2)
	r.ack(a.got[0]) // no consumer has it any more: ignored
}

func TestEngine_SkipsASlowClient(t *testing.T) {
	t.Parallel()
	r := newEngineRig(nil)
	slow, quick := r.connect(10), r.connect(10)
	slow.refuse = true
	r.feedCount(3)
	require.Empty(t, slow.got)
	require.Equal(t, []int64{0, 1, 2}, quick.places())
}

func TestRoom_IsABatchWhileTheBufferHasMore(t *testing.T) {
	t.Parallel()
	r := newEngineRig(func(s *subscription.Settings) { s.ReadBatch, s.HistoryBuffer = 20, 64 })
	require.Equal(t, 20, r.Room(), "also without consumers")
	r.Feed([]*subscription.Message{{Skipped: 500, Place: 499}})
	require.Equal(t, 20, r.Room(), "events that a filter left out take none")
	r.feedCount(43)
	require.Equal(t, 20, r.Room())
	r.feedCount(1)
	require.Zero(t, r.Room(), "a batch would fill the buffer")
	require.Equal(t, 20, r.LiveRoom())
	r.feedCount(20)
	require.Zero(t, r.LiveRoom())
	require.Equal(t, 64, r.Stats().Buffered)
}

func TestRoom_WithoutABatchSize(t *testing.T) {
	t.Parallel()
	r := newEngineRig(func(s *subscription.Settings) { s.ReadBatch = 0 })
	require.Zero(t, r.Room())
	require.Positive(t, r.LiveRoom())
}

func TestConnect_DeliversNothingBeforePump(t *testing.T) {
	t.Parallel()
	r := newEngineRig(nil)
	r.feedCount(2)
	c := r.connect(5)
	require.Empty(t, c.got)
	r.wait(time.Second)
	require.Equal(t, []int64{0, 1}, c.places())
}

func TestPinned_KeepsMessagesOfAFullConsumer(t *testing.T) {
	t.Parallel()
	r := newEngineRig(func(s *subscription.Settings) { s.Strategy, s.MaxCheckpoint = subscription.Pinned, 1 })
	a, b := r.connect(1), r.connect(100)
	r.feedCount(40)
	stats := r.Stats()
	require.Equal(t, 40-len(a.got)-len(b.got), stats.Buffered)
	require.Zero(t, stats.Retrying)
	for _, m := range append(a.got[:1:1], b.got...) {
		r.Ack([]uuid.UUID{m.ID()}, r.now)
	}
	place, due := r.Checkpoint(r.now, false)
	require.Less(t, place, b.got[len(b.got)-1].Place, "they hold the checkpoint")
	require.Equal(t, place != subscription.None, due)
}

func TestStats_ByConsumer(t *testing.T) {
	t.Parallel()
	r := newEngineRig(func(s *subscription.Settings) { s.ExtraStatistics = true })
	c := r.connect(5)
	require.Zero(t, r.Stats().Consumers[0].Measurements[0].Milliseconds)
	r.feedCount(2)
	r.now = r.now.Add(10 * time.Millisecond)
	r.ack(c.got[0])
	r.now = r.now.Add(20 * time.Millisecond)
	r.ack(c.got[1])
	shown := r.Stats().Consumers[0]
	require.EqualValues(t, 2, shown.Total)
	measured := map[string]int64{}
	for _, m := range shown.Measurements {
		measured[m.Name] = m.Milliseconds
	}
	require.Len(t, measured, 14)
	require.EqualValues(t, 20, measured["Mean"])
	require.EqualValues(t, 10, measured["Fastest"])
	require.EqualValues(t, 30, measured["Highest"])
}

func TestCheckpoint_StopsBelowTheOldestUnsettledMessage(t *testing.T) {
	t.Parallel()
	r := newEngineRig(nil)
	c := r.connect(50)
	r.feedCount(20)
	for i, m := range c.got[:19] {
		if i != 12 {
			r.ack(m)
		}
	}
	place, due := r.Checkpoint(r.now, false)
	require.True(t, due, "twelve settled are more than the maximum of ten")
	require.EqualValues(t, 11, place)
	_, due = r.Checkpoint(r.now, false)
	require.False(t, due)
	r.ack(c.got[12])
	_, due = r.Checkpoint(r.now, true)
	require.False(t, due, "its time has not come")
	r.now = r.now.Add(2 * time.Second)
	_, due = r.Checkpoint(r.now, false)
	require.False(t, due, "only ticks check the time")
	place, due = r.Checkpoint(r.now, true)
	require.True(t, due)
	require.EqualValues(t, 18, place)
	r.ack(c.got[19])
	r.now = r.now.Add(time.Hour)
	_, due = r.Checkpoint(r.now, true)
	require.False(t, due, "one is less than the minimum of two")
}

func TestCheckpoint_FirstIsDueImmediately(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]bool{time.Hour: true, 0: false, -time.Millisecond: true} {
		r := newEngineRig(func(s *subscription.Settings) { s.CheckpointAfter = after })
		c := r.connect(50)
		r.feedCount(3)
		r.ack(c.got[0])
		_, due := r.Checkpoint(r.now, true)
		require.False(t, due, "one is less than the minimum of two")
		r.ack(c.got[1])
		place, due := r.Checkpoint(r.now, true)
		require.Equal(t, want, due, "%s", after)
		if due {
			require.EqualValues(t, 1, place)
		}
	}
}

func TestCheckpoint_WaitsForParkedMessages(t *testing.T) {
	t.Parallel()
	r := newEngineRig(func(s *subscription.Settings) { s.MaxCheckpoint = 1 })
	c := r.connect(50)
	r.feedCount(3)
	r.nack(subscription.Park, c.got[0])
	r.ack(c.got[1])
	_, due := r.Checkpoint(r.now, false)
	require.False(t, due)
	parked := r.TakeParked()
	require.Equal(t, "Client explicitly NAK'ed message.\nbecause", parked[0].Reason)
	r.Parked(parked, false)
	parked = r.TakeParked()
	require.Len(t, parked, 1, "a failed write is requested again")
	r.Parked(parked, true)
	place, due := r.Checkpoint(r.now, false)
	require.True(t, due)
	require.EqualValues(t, 1, place)
}

func TestReplay_BehindRetriesAndWithoutCheckpoint(t *testing.T) {
	t.Parallel()
	r := newEngineRig(func(s *subscription.Settings) { s.MaxCheckpoint = 1 })
	c := r.connect(2)
	r.feedCount(2)
	replayed := &subscription.Message{
		Event:      store.Resolved{Event: &store.Record{ID: uuid.New()}, Link: &store.Record{ID: uuid.New()}},
		Place:      0,
		RetryCount: 7,
	}
	r.Replay([]*subscription.Message{replayed})
	r.nack(subscription.Retry, c.got[1])
	r.ack(c.got[0])
	require.Equal(t, 1, c.got[2].RetryCount)
	last := c.got[3]
	require.Equal(t, replayed.Event.Link.ID, last.ID())
	require.Zero(t, last.RetryCount)
	r.ack(c.got[2])
	place, due := r.Checkpoint(r.now, false)
	require.True(t, due)
	require.EqualValues(t, 1, place)
}

func TestEngine_EqualIDs(t *testing.T) {
	t.Parallel()
	r := newEngineRig(nil)
	c := r.connect(5)
	record := &store.Record{ID: uuid.New(), Stream: "s"}
	r.Feed([]*subscription.Message{{Event: store.Resolved{Event: record}}, {Event: store.Resolved{Event: record}, Place: 1}})
	r.Pump(r.now)
	require.Len(t, c.got, 2)
	require.Equal(t, 1, r.Stats().InFlight)
	r.ack(c.got[0])
	require.Zero(t, r.Stats().InFlight)
}

func TestCheckpoint_SkippedEventsAndInFlight(t *testing.T) {
	t.Parallel()
	r := newEngineRig(nil)
	c := r.connect(5)
	r.feedCount(1)
	r.Feed([]*subscription.Message{{Skipped: 30, Place: 40, Previous: 0}})
	r.Pump(r.now)
	require.Len(t, c.got, 1, "no consumer gets what was left out")
	_, due := r.Checkpoint(r.now, false)
	require.False(t, due)
	r.ack(c.got[0])
	place, due := r.Checkpoint(r.now, false)
	require.True(t, due, "thirty-one are more than the maximum of ten")
	require.EqualValues(t, 40, place)
}

func TestPinnedByCorrelation(t *testing.T) {
	t.Parallel()
	r := newEngineRig(func(s *subscription.Settings) { s.Strategy = subscription.PinnedByCorrelation })
	consumers := []*consumer{r.connect(100), r.connect(100)}
	var messages []*subscription.Message
	for i := range int64(60) {
		messages = append(messages, &subscription.Message{Place: i, Previous: i - 1, Event: store.Resolved{Event: &store.Record{
			ID: uuid.New(), Stream: fmt.Sprintf("s-%d", i), Metadata: fmt.Appendf(nil, `{"$correlationId":"c-%d"}`, i%12),
		}}})
	}
	r.Feed(messages)
	r.Pump(r.now)
	owner := map[string]*consumer{}
	for _, c := range consumers {
		require.NotEmpty(t, c.got)
		for _, m := range c.got {
			id := store.CorrelationID(m.Event.Event)
			require.True(t, owner[id] == nil || owner[id] == c, "one consumer per conversation")
			owner[id] = c
		}
	}
	require.Len(t, owner, 12)
}
