package rig_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/chaos/internal/rig"
	"orderflow/dev/kurrentsim"
)

func TestRequireNoOrders(t *testing.T) {
	t.Parallel()
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	settings, err := kurrentdb.ParseConnectionString(server.URL())
	require.NoError(t, err)
	client, err := kurrentdb.NewClient(settings)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	require.NoError(t, rig.RequireNoOrders(t.Context(), server.URL()), "an empty server")

	_, err = client.AppendToStream(t.Context(), "order-1", kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}},
		kurrentdb.EventData{EventID: uuid.New(), EventType: "order-placed", ContentType: kurrentdb.ContentTypeJson, Data: []byte("{}")})
	require.NoError(t, err)
	require.ErrorContains(t, rig.RequireNoOrders(t.Context(), server.URL()), "holds orders already")

	var hidden kurrentdb.StreamMetadata
	hidden.SetTruncateBefore(1)
	_, err = client.SetStreamMetadata(t.Context(), "$ce-order", kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}}, hidden)
	require.NoError(t, err)
	require.NoError(t, rig.RequireNoOrders(t.Context(), server.URL()), "every order is hidden")
}
