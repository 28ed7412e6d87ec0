package inflight

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/postgres"
)

func TestVersions_LimitsVersionsAndBytes(t *testing.T) {
	t.Parallel()
	completed := make(chan struct{})
	v := New(t.Context(), 3, 0, func(ctx context.Context, _ postgres.Version) error {
		select {
		case <-completed:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	defer v.Stop()
	small := func() bool { return v.Enqueue(postgres.Version{ID: 1, OrderID: fmt.Sprint(v.State().InFlight)}) }
	require.True(t, v.Enqueue(postgres.Version{ID: 1, New: make([]byte, 2*maxBytes)}), "a version that exceeds the limit goes alone")
	require.False(t, small())
	completed <- struct{}{}
	require.NoError(t, v.Drain(t.Context()))
	for range 3 {
		require.True(t, small())
	}
	require.False(t, small())
}

func TestVersions_StopLeavesTheRestIncomplete(t *testing.T) {
	t.Parallel()
	began := make(chan struct{}, 2)
	v := New(t.Context(), 10, 0, func(ctx context.Context, _ postgres.Version) error {
		began <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	require.True(t, v.Enqueue(postgres.Version{ID: 1, OrderID: "order-1"}))
	require.True(t, v.Enqueue(postgres.Version{ID: 2, OrderID: "order-1", Revision: 1}))
	v.Reach(7)
	<-began
	v.Stop()
	require.Empty(t, began, "the second version is not published")
	require.Equal(t, State{InFlight: 2}, v.State())
	require.Zero(t, v.Published())
}

func TestVersions_SequentialPerOrderConcurrentAcrossOrders(t *testing.T) {
	t.Parallel()
	const orders, versions, several = 20, 25, 5
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	together := make(chan struct{}) // closed once several run at once; until then none completes
	var met sync.Once
	var mu sync.Mutex
	seen, most, now := map[string][]int64{}, 0, 0
	v := New(t.Context(), orders*2, 0, func(_ context.Context, version postgres.Version) error {
		mu.Lock()
		now++
		most = max(most, now)
		seen[version.OrderID] = append(seen[version.OrderID], version.Revision)
		if now == several {
			met.Do(func() { close(together) })
		}
		mu.Unlock()
		select {
		case <-together:
		case <-ctx.Done():
		}
		<-time.After(time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
		return nil
	})
	for revision := range int64(versions) {
		for i := range orders {
			require.NoError(t, v.EnqueueWait(t.Context(), postgres.Version{OrderID: fmt.Sprint(i), Revision: revision}))
		}
	}
	require.NoError(t, v.Drain(t.Context()))
	v.Stop()
	require.Len(t, seen, orders)
	for order, revisions := range seen {
		require.Len(t, revisions, versions, order)
		require.True(t, slices.IsSorted(revisions), order)
	}
	require.GreaterOrEqual(t, most, several, "different orders run concurrently")
	require.LessOrEqual(t, most, orders, "an order has one queue")
}
