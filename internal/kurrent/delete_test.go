package kurrent_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

func TestDelete(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	state, err := client.Deletion(t.Context(), "order-1")
	require.NoError(t, err)
	require.Zero(t, state, "it never existed")
	for range 2 {
		require.NoError(t, appendOne(t.Context(), client, "order-1"))
	}
	state, err = client.Deletion(t.Context(), "order-1")
	require.NoError(t, err)
	require.Equal(t, kurrent.Deletion{Live: true, Last: 1}, state)

	require.ErrorIs(t, client.Delete(t.Context(), "order-1", kurrent.At(0)), kurrent.ErrWrongRevision)
	require.NoError(t, client.Delete(t.Context(), "order-1", kurrent.At(state.Last)))
	state, err = client.Deletion(t.Context(), "order-1")
	require.NoError(t, err)
	require.False(t, state.Live)
	require.WithinDuration(t, time.Now(), state.At, time.Minute)
	deleted, err := client.SoftlyDeleted(t.Context(), "order-1")
	require.NoError(t, err)
	require.True(t, deleted)

	require.NoError(t, appendOne(t.Context(), client, "order-1"))
	state, err = client.Deletion(t.Context(), "order-1")
	require.NoError(t, err)
	require.Equal(t, kurrent.Deletion{Live: true, Last: 2}, state, "a later event begins it again")
}
