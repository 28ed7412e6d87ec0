package kurrent_test

import (
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

func TestCategory_Waiting(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServerWith(t, kurrentsim.Options{})
	client := kurrentsimtest.OpenClient(t, server.URL())
	projections := kurrentdb.NewProjectionClientFromExistingClient(kurrentsimtest.OfficialClient(t, server.URL()))
	category := client.NewCategory("order")
	requireWaiting := func(want int) kurrent.Pending {
		t.Helper()
		var found kurrent.Pending
		require.Eventually(t, func() bool {
			var err error
			found, err = category.Waiting(t.Context())
			require.NoError(t, err)
			return found.Count == want
		}, time.Minute, 10*time.Millisecond)
		require.Equal(t, want == 0, found.Oldest.IsZero())
		return found
	}

	requireWaiting(0)
	placeOrders(t, client, 0, 3)
	requireWaiting(0)

	require.NoError(t, projections.Disable(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{}))
	placeOrders(t, client, 3, 2)
	first := requireWaiting(2)
	placeOrders(t, client, 5, 1)
	_, err := client.Append(t.Context(), "order-broken", kurrent.NoStream(), kurrentsimtest.Event("order-placed", `{"a":`))
	require.NoError(t, err)
	require.NoError(t, appendOne(t.Context(), client, "credit-1"))
	require.Equal(t, first.Oldest, requireWaiting(3).Oldest, "what is not JSON is never linked, and does not wait")
	another := client.NewCategory("order")
	found, err := another.Waiting(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, found.Count, "one that has not looked before finds the same")

	require.NoError(t, projections.Enable(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{}))
	requireWaiting(0)
}

func TestCollector(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	client := kurrentsimtest.OpenClient(t, server.URL())
	require.NoError(t, appendOne(t.Context(), client, "credit-c1"))
	_, err := client.ReadEvent(t.Context(), "credit-c1", 7)
	require.ErrorIs(t, err, kurrent.ErrNotFound)
	_, err = client.ReadEvent(t.Context(), "credit-c2", 0)
	require.ErrorIs(t, err, kurrent.ErrNotFound)
	_, err = client.Append(t.Context(), "credit-c1", kurrent.NoStream(), kurrentsimtest.Event("other", `{}`))
	require.ErrorIs(t, err, kurrent.ErrWrongRevision)
	problems, err := testutil.CollectAndLint(client.Collector())
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Equal(t, 8, testutil.CollectAndCount(client.Collector()), "every outcome has a series from the start")
}
