package kurrent_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

const clusterNodes = 3

func TestCluster_FindsTheLeadingNode(t *testing.T) {
	t.Parallel()
	cluster := kurrentsimtest.StartCluster(t, clusterNodes)
	cluster.Elect(2)
	const options = "?tls=false&gossipTimeout=1"
	for name, url := range map[string]string{
		"several hosts":                   "kurrentdb://" + cluster.Hosts() + options,
		"several hosts, and to discover":  "kurrentdb+discover://" + cluster.Hosts() + options,
		"one host to discover":            "kurrentdb+discover://" + cluster.Addr(0) + options,
		"one host, which does not lead":   "kurrentdb://" + cluster.Addr(1) + options,
		"several, of which some are gone": "kurrentdb://" + kurrentsimtest.ClosedAddress(t) + "," + cluster.Addr(0) + options,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := kurrentsimtest.OpenClient(t, url)
			stream := strings.ReplaceAll(name, " ", "-")
			_, err := client.Append(t.Context(), stream, kurrent.NoStream(), kurrentsimtest.Event("tested", `{}`))
			require.NoError(t, err)
			_, err = client.ReadEvent(t.Context(), stream, 0)
			require.NoError(t, err)
		})
	}
}

// clusterWriter appends events to one stream, each at the exact revision, until it is
// stopped.
type clusterWriter struct {
	done  chan struct{}
	count atomic.Int64
	err   error // set before done is closed
}

// keepWriting repeats an append without a response with the same event, as every writer
// of the product does.
func keepWriting(ctx context.Context, client *kurrent.Client, stream string) *clusterWriter {
	w := &clusterWriter{done: make(chan struct{})}
	go func() {
		defer close(w.done)
		expected := kurrent.NoStream()
		for n := 0; ctx.Err() == nil; n++ {
			event := kurrentsimtest.Event("counted", fmt.Sprintf(`{"n":%d}`, n))
			for {
				attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
				written, err := client.Append(attempt, stream, expected, event)
				cancel()
				if err == nil {
					expected = kurrent.At(written)
					break
				}
				if !isUnavailable(err) {
					w.err = err
					return
				}
			}
			w.count.Add(1)
		}
	}()
	return w
}

// awaitMore waits until the writer has appended another event.
func (w *clusterWriter) awaitMore(t *testing.T) {
	t.Helper()
	before, began := w.count.Load(), time.Now()
	require.Eventually(t, func() bool {
		select {
		case <-w.done:
			return true
		default:
			return w.count.Load() > before+1 // one may have been on its way
		}
	}, kurrentsimtest.WaitLimit, time.Millisecond)
	require.Greater(t, w.count.Load(), before+1, "the writer ended: %v", w.err)
	t.Logf("written again after %s", time.Since(began).Round(time.Millisecond))
}

// The leading node changes in every way, under writes, a follower of the log and a
// consumer of a group.
func TestCluster_LeaderMoves(t *testing.T) {
	t.Parallel()
	cluster := kurrentsimtest.StartCluster(t, clusterNodes)
	client := kurrentsimtest.OpenClient(t, cluster.URL())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	writer := keepWriting(ctx, client, "counter-1")
	followed, following := followAgain(ctx, client, "counter-")
	writer.awaitMore(t)
	for _, move := range []struct {
		name string
		make func()
	}{
		{"an election", func() { cluster.Elect(1) }},
		{"the leading node's process dies", func() {
			cluster.Elect(2)
			cluster.Stop(1)
		}},
		{"no node leads for a while", func() {
			cluster.Elect(-1)
			require.Error(t, pingBriefly(t, client))
			cluster.Return(1)
			cluster.Elect(0)
		}},
		{"the leading node's machine vanishes", func() {
			cluster.Elect(1)
			writer.awaitMore(t)
			cluster.Vanish(1)
			cluster.Elect(2)
		}},
		{"it comes back and leads", func() {
			cluster.Return(1)
			cluster.Elect(1)
		}},
	} {
		t.Log(move.name)
		move.make()
		writer.awaitMore(t)
	}
	stop()
	<-writer.done
	require.NoError(t, writer.err)
	want := writer.count.Load()
	last := uint64(0)
	direct := kurrentsimtest.OpenClient(t, cluster.Store.URL())
	require.NoError(t, direct.ReadStream(t.Context(), "counter-1", 0, 0, func(e kurrent.Event) error {
		require.JSONEq(t, fmt.Sprintf(`{"n":%d}`, e.Revision), string(e.Data))
		last = e.Revision
		return nil
	}))
	require.EqualValues(t, want-1, last, "each event is there once")
	<-following
	for n, revision := range *followed {
		require.EqualValues(t, n, revision, "the follower misses no event and sees none twice")
	}
}

// followAgain follows the log from where it was, again whenever the connection is lost,
// and returns the revisions that it has seen once the second channel is closed.
func followAgain(ctx context.Context, client *kurrent.Client, prefix string) (*[]uint64, <-chan struct{}) {
	var revisions []uint64
	done := make(chan struct{})
	go func() {
		defer close(done)
		follow := kurrent.Follow{Prefixes: []string{prefix}}
		for ctx.Err() == nil {
			_ = client.Follow(ctx, follow, func(s kurrent.Step) error {
				if s.Event != nil {
					revisions = append(revisions, s.Event.Revision)
					follow.After = s.Position
				}
				return nil
			})
		}
	}()
	return &revisions, done
}

func TestCluster_GroupFollowsTheLeadingNode(t *testing.T) {
	t.Parallel()
	cluster := kurrentsimtest.StartCluster(t, clusterNodes)
	client := kurrentsimtest.OpenClient(t, cluster.URL())
	createGroup(t, client, bridgeGroup)
	sub := join(t, client, bridgeGroup)
	placeOrders(t, client, 0, 1)
	first := receive(t, sub)
	require.NoError(t, sub.Ack(first))
	cluster.Elect(1)
	cluster.Stop(0)
	require.ErrorIs(t, awaitError(t, sub), kurrent.ErrUnavailable)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		again, err := client.Join(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, 1)
		require.NoError(c, err)
		again.Close()
	}, kurrentsimtest.WaitLimit, time.Millisecond)
	require.Positive(t, cluster.Served(1, "PersistentSubscriptions/Read"))
}

// fillConnections makes concurrent calls until enough connections are open, and leaves
// them idle.
func fillConnections(t *testing.T, client *kurrent.Client, enough func() bool) {
	t.Helper()
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for !enough() {
				assert.NoError(t, client.Ping(t.Context()))
			}
		})
	}
	group.Wait()
}

// A pool that is full of connections to a node that is gone.
func TestPool_NodeGone(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*kurrentsimtest.Cluster, int){
		"its process dies":     (*kurrentsimtest.Cluster).Stop,
		"its machine vanishes": (*kurrentsimtest.Cluster).Vanish,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := kurrentsimtest.StartCluster(t, clusterNodes)
			client := kurrentsimtest.OpenClient(t, cluster.URL())
			fillConnections(t, client, func() bool { return cluster.Connections(0) > 8 })
			leave(cluster, 0)
			cluster.Elect(1)
			failed := 0
			for err := error(kurrent.ErrUnavailable); err != nil && failed < 8; { // one after the other, so each takes one connection
				ctx, cancel := context.WithTimeout(t.Context(), kurrentsimtest.Promptly)
				if err = client.Ping(ctx); err != nil {
					failed++
				}
				cancel()
			}
			require.LessOrEqual(t, failed, 2, "one call fails, and not one for each connection to that node")
		})
	}
}
