package kurrent_test

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
)

const parkedMetadata = "$$$persistentsubscription-$ce-order::fulfillment-parked"

func TestReplayParked(t *testing.T) {
	t.Parallel()
	replay := func(t *testing.T, client *kurrent.Client, seen kurrent.ParkedBoundary, until uint64) error {
		t.Helper()
		_, err := client.ReplayParked(t.Context(), bridge.Stream, bridge.Group, seen, until)
		return err
	}
	t.Run("does not bring back what was dropped since the boundary was seen", func(t *testing.T) {
		t.Parallel()
		client := open(t, sim(t).url())
		parkAll(t, client, 5)
		seen := boundary(t, client)
		require.NoError(t, client.DropParked(t.Context(), bridge.Stream, bridge.Group, seen, 3))
		require.ErrorIs(t, replay(t, client, seen, 1), kurrent.ErrWrongRevision)
		require.Equal(t, []string{"0@order-4 no"}, parked(t, client))
	})
	t.Run("refuses a number below the boundary", func(t *testing.T) {
		t.Parallel()
		client := open(t, sim(t).url())
		parkAll(t, client, 3)
		require.NoError(t, client.DropParked(t.Context(), bridge.Stream, bridge.Group, boundary(t, client), 1))
		require.ErrorIs(t, replay(t, client, boundary(t, client), 1), kurrent.ErrInvalid)
		require.ErrorIs(t, replay(t, client, boundary(t, client), math.MaxUint64), kurrent.ErrInvalid)
		require.Equal(t, []string{"0@order-2 no"}, parked(t, client))
	})
	t.Run("keeps a drop and another replay away until it has ended", func(t *testing.T) {
		t.Parallel()
		client := open(t, sim(t).url())
		parkAll(t, client, 3)
		claimAt := func(at time.Time) kurrent.ParkedBoundary {
			body := fmt.Sprintf(`{"orderflow-replay":{"until":1,"at":%q},"team":"orders"}`, at.Format(time.RFC3339))
			_, err := client.Append(t.Context(), parkedMetadata, kurrent.Any(), event("$metadata", body))
			require.NoError(t, err)
			return boundary(t, client)
		}
		running := claimAt(time.Now())
		require.ErrorIs(t, client.DropParked(t.Context(), bridge.Stream, bridge.Group, running, 1), kurrent.ErrReplaying)
		require.ErrorIs(t, replay(t, client, running, 1), kurrent.ErrReplaying)
		require.Len(t, parked(t, client), 3)

		abandoned := claimAt(time.Now().Add(-time.Hour))
		require.NoError(t, client.DropParked(t.Context(), bridge.Stream, bridge.Group, abandoned, 1))
		require.Equal(t, `{"$tb":2,"team":"orders"}`, newestMetadata(t, client), "the claim has ended with its time")
	})
	t.Run("gives its claim up when the server refuses", func(t *testing.T) {
		t.Parallel()
		client := open(t, sim(t).url())
		_, err := client.ReplayParked(t.Context(), bridge.Stream, bridge.Group, boundary(t, client), 1)
		require.ErrorIs(t, err, kurrent.ErrNotFound)
		require.Equal(t, `{}`, newestMetadata(t, client))
	})
}

func newestMetadata(t *testing.T, client *kurrent.Client) string {
	t.Helper()
	newest, err := client.LastEvent(t.Context(), parkedMetadata)
	require.NoError(t, err)
	return string(newest.Data)
}

func TestReplayAndDropOfParkedEventsAtTheSameTime(t *testing.T) {
	t.Parallel()
	for range 20 {
		client := open(t, sim(t).url())
		parkAll(t, client, 5)
		seen := boundary(t, client)
		var replayed, dropped error
		var both sync.WaitGroup
		both.Go(func() {
			var claimed kurrent.ParkedBoundary
			if claimed, replayed = client.ReplayParked(t.Context(), bridge.Stream, bridge.Group, seen, 1); replayed == nil {
				replayed = client.KeepParkedAccess(t.Context(), bridge.Stream, bridge.Group, claimed)
			}
		})
		both.Go(func() { dropped = client.DropParked(t.Context(), bridge.Stream, bridge.Group, seen, 3) })
		both.Wait()
		require.True(t, (replayed == nil) != (dropped == nil), "one comes first: %v, %v", replayed, dropped)
		require.ErrorIs(t, errors.Join(replayed, dropped), kurrent.ErrWrongRevision)
		first, last, some := parkedRange(t, client)
		require.True(t, some)
		require.EqualValues(t, 4, last)
		require.EqualValues(t, map[bool]int{true: 2, false: 4}[replayed == nil], first)
	}
}
