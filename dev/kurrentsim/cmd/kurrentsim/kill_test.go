package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"orderflow/dev/devserver/devservertest"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	killRounds  = 8
	killWriters = 8
	killBatch   = 3  // events of one append: all of them exist, or none
	parkEvery   = 10 // messages
)

// crashHistory records what the server acknowledged, across its restarts.
type crashHistory struct {
	*testing.T
	address, dir string
	acknowledged [killWriters][]uuid.UUID // events, in order
	seen         map[uuid.UUID]bool
	parked       int64
	checkpoint   uint64
}

func TestServe_AcknowledgedDataSurvivesKillsUnderLoad(t *testing.T) {
	t.Parallel()
	s := &crashHistory{T: t, address: devservertest.Address(t), dir: t.TempDir(), seen: map[uuid.UUID]bool{}}
	for round := range killRounds {
		p := startServer(t, "--listen", s.address, "--data", s.dir)
		client := connect(t, s.address)
		if round == 0 {
			s.createGroup(client)
		}
		s.verify(client)
		s.load(client, func() { require.NoError(t, p.Process.Kill()) })
		_ = p.Wait()
	}
	startServer(t, "--listen", s.address, "--data", s.dir)
	client := connect(t, s.address)
	s.verify(client)
	s.drain(client)
}

func (s *crashHistory) createGroup(client *kurrentdb.Client) {
	settings := kurrentdb.SubscriptionSettingsDefault()
	settings.ResolveLinkTos, settings.CheckpointLowerBound, settings.CheckpointUpperBound = true, 1, 10
	require.NoError(s, client.CreatePersistentSubscription(s.Context(), "$ce-writer", "g",
		kurrentdb.PersistentStreamSubscriptionOptions{Settings: &settings, StartFrom: kurrentdb.Start{}}))
}

// load writes and consumes until the server is killed, at a different random moment each
// time.
func (s *crashHistory) load(client *kurrentdb.Client, kill func()) {
	s.Helper()
	var running sync.WaitGroup
	for w := range s.acknowledged {
		running.Go(func() { s.acknowledged[w] = append(s.acknowledged[w], write(s.Context(), client, w)...) })
	}
	sub := s.join(client)
	running.Go(func() { s.consume(sub, func() bool { return false }) })
	enough := streamLength(s.T, client, "writer-0") + (10+rand.N(100))*killBatch
	require.EventuallyWithT(s, func(c *assert.CollectT) {
		require.Greater(c, streamLength(s.T, client, "writer-0"), enough)
		info, err := client.GetPersistentSubscriptionInfo(s.Context(), "$ce-writer", "g", kurrentdb.GetPersistentSubscriptionOptions{})
		require.NoError(c, err)
		require.Greater(c, info.Stats.ParkedMessagesCount, s.parked)
	}, time.Minute, time.Millisecond)
	s.remember(client)
	kill()
	running.Wait()
	_ = sub.Close()
}

// remember records the group's statistics: they were durable before they were reported.
func (s *crashHistory) remember(client *kurrentdb.Client) {
	s.parked = max(s.parked, s.info(client).Stats.ParkedMessagesCount)
	last := lastOf(s.T, client, "$persistentsubscription-$ce-writer::g-checkpoint")
	if last != nil {
		_, err := fmt.Sscanf(string(last.Data), `"%d"`, &s.checkpoint)
		require.NoError(s, err)
	}
}

func (s *crashHistory) info(client *kurrentdb.Client) *kurrentdb.PersistentSubscriptionInfo {
	s.Helper()
	info, err := client.GetPersistentSubscriptionInfo(s.Context(), "$ce-writer", "g", kurrentdb.GetPersistentSubscriptionOptions{})
	require.NoError(s, err)
	return info
}

func (s *crashHistory) join(client *kurrentdb.Client) *kurrentdb.PersistentSubscription {
	s.Helper()
	sub, err := client.SubscribeToPersistentSubscription(s.Context(), "$ce-writer", "g",
		kurrentdb.SubscribeToPersistentSubscriptionOptions{BufferSize: 64})
	require.NoError(s, err)
	return sub
}

// consume takes messages until it is dropped or done is closed. It parks every tenth
// message.
func (s *crashHistory) consume(sub *kurrentdb.PersistentSubscription, done func() bool) {
	for !done() {
		e := sub.Recv().EventAppeared
		if e == nil {
			return
		}
		s.seen[e.Event.Event.EventID] = true
		if len(s.seen)%parkEvery == 0 {
			_ = sub.Nack("every tenth", kurrentdb.NackActionPark, e.Event) // the server may have been killed
			continue
		}
		_ = sub.Ack(e.Event)
	}
}

// verify requires that every acknowledged event is in its place, followed by at most one
// append per writer whose response was lost.
func (s *crashHistory) verify(client *kurrentdb.Client) {
	s.Helper()
	for w := range s.acknowledged {
		found := eventIDs(s.T, client, fmt.Sprintf("writer-%d", w))
		require.Zero(s, len(found)%killBatch, "an append is complete")
		require.GreaterOrEqual(s, len(found), len(s.acknowledged[w]))
		require.Equal(s, s.acknowledged[w], found[:len(s.acknowledged[w])])
		require.LessOrEqual(s, len(found), len(s.acknowledged[w])+killBatch)
		s.acknowledged[w] = found
	}
	info := s.info(client)
	require.GreaterOrEqual(s, info.Stats.ParkedMessagesCount, s.parked)
	if s.checkpoint > 0 {
		require.GreaterOrEqual(s, *info.Stats.LastCheckpointedEventRevision, s.checkpoint)
	}
}

// drain consumes the rest: in the end each event was delivered, before or after a
// restart.
func (s *crashHistory) drain(client *kurrentdb.Client) {
	s.Helper()
	missing := map[uuid.UUID]bool{}
	for w := range s.acknowledged {
		for _, id := range eventIDs(s.T, client, fmt.Sprintf("writer-%d", w)) {
			if !s.seen[id] {
				missing[id] = true
			}
		}
	}
	sub := s.join(client)
	giveUp := time.AfterFunc(2*time.Minute, func() { _ = sub.Close() })
	defer giveUp.Stop()
	s.consume(sub, func() bool {
		for id := range missing {
			if !s.seen[id] {
				return false
			}
			delete(missing, id)
		}
		return true
	})
	require.Empty(s, missing, "acknowledged but never delivered")
	require.NotZero(s, s.parked)
	require.NotZero(s, s.checkpoint)
}

// write appends until the server is killed, and returns the events that were
// acknowledged.
func write(ctx context.Context, client *kurrentdb.Client, writer int) []uuid.UUID {
	var acknowledged []uuid.UUID
	for i := 0; ; i++ {
		batch := make([]kurrentdb.EventData, killBatch)
		for j := range batch {
			batch[j] = newEvent(fmt.Sprintf(`{"n":%d}`, i))
		}
		_, err := client.AppendToStream(ctx, fmt.Sprintf("writer-%d", writer), kurrentdb.AppendToStreamOptions{}, batch...)
		if err != nil {
			return acknowledged
		}
		for _, e := range batch {
			acknowledged = append(acknowledged, e.EventID)
		}
	}
}

func eventIDs(t *testing.T, client *kurrentdb.Client, stream string) []uuid.UUID {
	t.Helper()
	read, err := client.ReadStream(t.Context(), stream, kurrentdb.ReadStreamOptions{}, 1_000_000)
	require.NoError(t, err)
	defer read.Close()
	var ids []uuid.UUID
	e, err := read.Recv()
	for ; err == nil; e, err = read.Recv() {
		ids = append(ids, e.Event.EventID)
	}
	if !errors.Is(err, io.EOF) {
		require.Equal(t, kurrentdb.ErrorCodeResourceNotFound, codeOf(err), "a read that ended early says nothing: %v", err)
	}
	return ids
}

func streamLength(t *testing.T, client *kurrentdb.Client, stream string) int {
	t.Helper()
	if last := lastOf(t, client, stream); last != nil {
		return int(last.EventNumber) + 1
	}
	return 0
}

func codeOf(err error) kurrentdb.ErrorCode {
	known, _ := kurrentdb.FromError(err)
	return known.Code()
}

// lastOf returns the last event of a stream, or nil if there is none.
func lastOf(t *testing.T, client *kurrentdb.Client, stream string) *kurrentdb.RecordedEvent {
	t.Helper()
	read, err := client.ReadStream(t.Context(), stream,
		kurrentdb.ReadStreamOptions{Direction: kurrentdb.Backwards, From: kurrentdb.End{}}, 1)
	if err != nil {
		return nil
	}
	defer read.Close()
	last, err := read.Recv()
	if err != nil {
		return nil
	}
	return last.OriginalEvent()
}

func TestServe_StopsWithOpenCalls(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		address := devservertest.Address(t)
		p := startServer(t, "--listen", address, "--data", t.TempDir())
		client := connect(t, address)
		_, err := client.AppendToStream(t.Context(), "order-1", kurrentdb.AppendToStreamOptions{}, newEvent("{}"))
		require.NoError(t, err)
		follower, err := client.SubscribeToStream(t.Context(), "$ce-order", kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
		require.NoError(t, err)
		everything, err := client.SubscribeToAll(t.Context(), kurrentdb.SubscribeToAllOptions{From: kurrentdb.Start{}})
		require.NoError(t, err)
		require.NoError(t, client.CreatePersistentSubscription(t.Context(), "$ce-order", "g",
			kurrentdb.PersistentStreamSubscriptionOptions{StartFrom: kurrentdb.Start{}}))
		consumer, err := client.SubscribeToPersistentSubscription(t.Context(), "$ce-order", "g", kurrentdb.SubscribeToPersistentSubscriptionOptions{})
		require.NoError(t, err)
		require.NotNil(t, consumer.Recv().EventAppeared, "and gets no response")

		begin := time.Now()
		require.NoError(t, p.Process.Signal(signal))
		require.NoError(t, p.Wait(), "exit code 0")
		require.Less(t, time.Since(begin), 20*time.Second)
		require.NotNil(t, drop(follower.Recv))
		require.NotNil(t, drop(everything.Recv))
		require.NotNil(t, consumer.Recv().SubscriptionDropped)
	}
}

// drop receives until the subscription is dropped.
func drop(recv func() *kurrentdb.SubscriptionEvent) *kurrentdb.SubscriptionDropped {
	for {
		if e := recv(); e.SubscriptionDropped != nil {
			return e.SubscriptionDropped
		}
	}
}
