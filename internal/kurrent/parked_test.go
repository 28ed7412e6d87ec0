package kurrent_test

import (
	"context"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

// parkAll parks every event of count streams.
func parkAll(t *testing.T, client *kurrent.Client, count int) *kurrent.Subscription {
	t.Helper()
	placeOrders(t, client, 0, count)
	createGroup(t, client, bridgeGroup)
	sub := join(t, client, bridgeGroup)
	for range count {
		require.NoError(t, sub.Park(receive(t, sub), "no"))
	}
	awaitParked(t, client, count)
	return sub
}

func parkedRange(t *testing.T, client *kurrent.Client) (first, last uint64, found bool) {
	t.Helper()
	first, last, found, err := client.ParkedRange(t.Context(), bridgeGroup.Stream, bridgeGroup.Group)
	require.NoError(t, err)
	return first, last, found
}

func boundary(t *testing.T, client *kurrent.Client) kurrent.ParkedBoundary {
	t.Helper()
	seen, err := client.ParkedBoundary(t.Context(), bridgeGroup.Stream, bridgeGroup.Group)
	require.NoError(t, err)
	return seen
}

func TestParkedRange(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	_, _, found := parkedRange(t, client)
	require.False(t, found)
	parkAll(t, client, 5)
	first, last, _ := parkedRange(t, client)
	require.Equal(t, []uint64{0, 4}, []uint64{first, last})
	var numbers []uint64
	require.NoError(t, client.ParkedFrom(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, 2, 2, func(p kurrent.Parked) error {
		numbers = append(numbers, p.Number)
		return nil
	}))
	require.Equal(t, []uint64{2, 3}, numbers)
}

func TestReplayParked_UpToANumber(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	sub := parkAll(t, client, 5)
	claimed, err := client.ReplayParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, boundary(t, client), 1)
	require.NoError(t, err)
	left, err := client.AwaitReplay(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, claimed)
	require.NoError(t, err)
	require.EqualValues(t, 2, left)
	for i := range 2 {
		d := receive(t, sub)
		require.Equal(t, []string{"order-0", "order-1"}[i], d.Event.Stream)
		require.Equal(t, "$persistentsubscription-$ce-order::fulfillment-parked", d.Link.Stream)
		require.NoError(t, sub.Ack(d))
	}
	awaitParked(t, client, 3)
	first, last, found := parkedRange(t, client)
	require.True(t, found)
	require.Equal(t, uint64(2), first)
	require.Equal(t, uint64(4), last)
}

func TestDropParked_BoundaryMoved(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	sub := parkAll(t, client, 5)
	seen := boundary(t, client)
	_, err := client.ReplayParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, seen, 0)
	require.NoError(t, err)
	require.NoError(t, sub.Ack(receive(t, sub)))
	awaitParked(t, client, 4)

	err = client.DropParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, seen, 2)
	require.ErrorIs(t, err, kurrent.ErrWrongRevision)
	require.Len(t, parked(t, client), 4)

	seen = boundary(t, client)
	require.NoError(t, client.DropParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, seen, 2))
	require.Equal(t, []string{"0@order-3 no", "0@order-4 no"}, parked(t, client))
	require.ErrorIs(t, client.DropParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, seen, 3), kurrent.ErrWrongRevision)
}

func TestDropParked(t *testing.T) {
	t.Parallel()
	t.Run("refuses metadata that the server ignores", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		parkAll(t, client, 2)
		for _, body := range []string{
			`null`, `[1]`, `"text"`, `{`, `{"$acl":{"$r":"support",}}`, `{"$maxCount":"3"}`, `{"$maxAge":1.5}`, `{"$cacheControl":null}`,
			`{"$tb":"1"}`, `{"$acl":"support"}`, `{"$acl":{"$r":5}}`, `{"$acl":{"$r":["support",5]}}`, `{"$acl":{"read":"support"}}`,
		} {
			_, err := client.Append(t.Context(), parkedMetadata, kurrent.Any(), kurrentsimtest.Event("$metadata", body))
			require.NoError(t, err)
			_, err = client.ParkedBoundary(t.Context(), bridgeGroup.Stream, bridgeGroup.Group)
			require.ErrorIs(t, err, kurrent.ErrMalformed, body)
			_, err = client.GrantGroup(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, "starter")
			require.ErrorIs(t, err, kurrent.ErrMalformed, body)
			require.Equal(t, body, newestMetadata(t, client))
		}
	})
	t.Run("accepts metadata that the server reads", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		parkAll(t, client, 2)
		for _, body := range []string{``, `{}`, `{"$maxCount":3,"$maxAge":60,"$acl":{"$r":["support","ops"],"$mw":"support"},"team":null}`} {
			_, err := client.Append(t.Context(), parkedMetadata, kurrent.Any(), kurrentsimtest.Event("$metadata", body))
			require.NoError(t, err)
			require.NoError(t, client.DropParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, boundary(t, client), 0), body)
			require.Equal(t, []string{"0@order-1 no"}, parked(t, client))
		}
	})
	t.Run("does not move the boundary back", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		parkAll(t, client, 3)
		require.NoError(t, client.DropParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, boundary(t, client), 1))
		require.NoError(t, client.DropParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, boundary(t, client), 0))
		require.Equal(t, []string{"0@order-2 no"}, parked(t, client))
	})
}

func TestParked_AccessDenied(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartStub(t, func(method string, stream grpc.ServerStream) error {
		if method == streams.Streams_Append_FullMethodName {
			kurrentsimtest.ReceiveAppend(stream)
		}
		return status.Error(codes.PermissionDenied, "access denied")
	}))
	for name, action := range map[string]func(context.Context) error{
		"range": func(ctx context.Context) error {
			_, _, _, err := client.ParkedRange(ctx, bridgeGroup.Stream, bridgeGroup.Group)
			return err
		},
		"boundary": func(ctx context.Context) error {
			_, err := client.ParkedBoundary(ctx, bridgeGroup.Stream, bridgeGroup.Group)
			return err
		},
		"replay": func(ctx context.Context) error {
			_, err := client.ReplayParked(ctx, bridgeGroup.Stream, bridgeGroup.Group, kurrent.ParkedBoundary{}, 1)
			return err
		},
		"drop": func(ctx context.Context) error {
			return client.DropParked(ctx, bridgeGroup.Stream, bridgeGroup.Group, kurrent.ParkedBoundary{}, 1)
		},
	} {
		require.ErrorIs(t, action(t.Context()), kurrent.ErrAccessDenied, name)
	}
}
