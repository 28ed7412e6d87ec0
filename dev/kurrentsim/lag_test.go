package kurrentsim_test

import (
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/store"
)

func TestProjectionDelay(t *testing.T) {
	t.Parallel()
	const delay = 5 * time.Second // long enough to check the state before it is over
	w := newTestServer(t, kurrentsim.Options{ProjectionDelay: delay})
	w.createGroup("$ce-order", "g", func(s *kurrentdb.PersistentSubscriptionSettings) { s.ResolveLinkTos = true })
	group := w.join("$ce-order", "g", 10)
	follower := w.subscribe("$ce-order", kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	require.NotNil(t, recv(t, follower).CaughtUp)

	begin := time.Now()
	w.append("order-1", kurrentdb.NoStream{}, event("placed"))
	require.Len(t, w.readStream("order-1", kurrentdb.ReadStreamOptions{}), 1, "the event itself is visible immediately")
	for _, stream := range []string{"$ce-order", "$et-placed", "$streams", "$category-order"} {
		_, err := w.tryReadStream(stream, kurrentdb.ReadStreamOptions{})
		requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
	}
	require.Equal(t, "0@order-1", string(recv(t, follower).EventAppeared.Event.Data))
	require.GreaterOrEqual(t, time.Since(begin), delay)
	require.Equal(t, "order-1", next(t, group).Event.Event.StreamID)
	require.Equal(t, []string{"order-1"}, linkData(w.readStream("$category-order", kurrentdb.ReadStreamOptions{})))
}

func TestHiddenLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lossy := newRestartableWith(t, kurrentsim.Options{DataDir: dir, HiddenLinks: []store.Target{{Stream: "order-1", Revision: 1}}})
	lossy.append("order-1", kurrentdb.NoStream{}, events(3)...)
	lossy.createGroup("$ce-order", "g", func(s *kurrentdb.PersistentSubscriptionSettings) { s.ResolveLinkTos = true })
	require.Equal(t, []uint64{0, 2}, revisions(lossy.readStream("$ce-order", kurrentdb.ReadStreamOptions{})))
	require.Equal(t, []uint64{2, 0}, revisions(lossy.readStream("$ce-order",
		kurrentdb.ReadStreamOptions{Direction: kurrentdb.Backwards, From: kurrentdb.End{}})))
	require.Len(t, lossy.readStream("order-1", kurrentdb.ReadStreamOptions{}), 3, "the event itself is visible")
	require.Equal(t, []string{"1@order-1"}, linkData(lossy.readStream("$et-type-1", kurrentdb.ReadStreamOptions{})))
	for _, e := range lossy.readAll(kurrentdb.ReadAllOptions{}) {
		require.False(t, e.Event.StreamID == "$ce-order" && e.Event.EventNumber == 1)
	}

	follower := lossy.subscribe("$ce-order", kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	group := lossy.join("$ce-order", "g", 10)
	for _, revision := range []uint64{0, 2} {
		require.Equal(t, revision, recv(t, follower).EventAppeared.Event.EventNumber)
		require.Equal(t, revision, next(t, group).Event.Link.EventNumber)
	}
	require.NoError(t, follower.Close())
	require.NoError(t, group.Close())
	lossy.stop()

	whole := newRestartable(t, dir)
	require.Equal(t, []uint64{0, 1, 2}, revisions(whole.readStream("$ce-order", kurrentdb.ReadStreamOptions{})))
	whole.stop()
}

func TestParseTarget(t *testing.T) {
	t.Parallel()
	target, err := store.ParseTarget("order-a@b@12")
	require.NoError(t, err)
	require.Equal(t, store.Target{Stream: "order-a@b", Revision: 12}, target)
	for _, wrong := range []string{"", "order-1", "@1", "order-1@", "order-1@x", "order-1@-1"} {
		_, err := store.ParseTarget(wrong)
		require.ErrorContains(t, err, "STREAM@REVISION", wrong)
	}
}
