package rpc_test

import (
	"context"
	"math"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"
)

// Requests that the official Go client never sends and other official clients do.

func TestRead_IDsInTheRequestedForm(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	written := proposed(1, nil)
	_, _, err := w.append(appendOptions("order-1"), written)
	require.NoError(t, err)
	id := written.GetProposedMessage().GetId().GetString_()
	asText := readOptions("order-1")
	asText.UuidOption = &streams.ReadReq_Options_UUIDOption{
		Content: &streams.ReadReq_Options_UUIDOption_String_{String_: &shared.Empty{}},
	}
	found, _, err := w.read(asText)
	require.NoError(t, err)
	require.Equal(t, id, found[0].GetEvent().GetEvent().GetId().GetString_())
	found, _, err = w.read(readOptions("order-1"))
	require.NoError(t, err)
	require.NotZero(t, found[0].GetEvent().GetEvent().GetId().GetStructured().GetMostSignificantBits())

	_, err = w.create("order-1", nil)
	require.NoError(t, err)
	consumer := w.join(t.Context(), "order-1")
	message, err := consumer.Recv()
	require.NoError(t, err)
	require.Equal(t, id, message.GetEvent().GetEvent().GetId().GetString_())
}

func TestCreateGroup_Start(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	_, _, err := w.append(appendOptions("order-1"), proposed(1, nil), proposed(1, nil), proposed(1, nil))
	require.NoError(t, err)
	for revision, first := range map[uint64]uint64{0: 0, 2: 2, math.MaxUint64: 3} {
		legacy := &persistent.CreateReq{Options: &persistent.CreateReq_Options{
			//nolint:staticcheck // what is tested
			StreamIdentifier: stream("order-1"), GroupName: "g",
			Settings: settings(func(s *persistent.CreateReq_Settings) { s.Revision = revision }), //nolint:staticcheck // the same
		}}
		_, err := w.persistent.Create(t.Context(), legacy)
		require.NoError(t, err)
		if first == 3 {
			_, _, err = w.append(appendOptions("order-1"), proposed(1, nil))
			require.NoError(t, err)
		}
		ctx, leave := context.WithCancel(t.Context())
		message, err := w.join(ctx, "order-1").Recv()
		require.NoError(t, err)
		require.Equal(t, first, message.GetEvent().GetEvent().GetStreamRevision())
		leave()
		_, err = w.persistent.Delete(t.Context(), &persistent.DeleteReq{Options: &persistent.DeleteReq_Options{
			StreamOption: &persistent.DeleteReq_Options_StreamIdentifier{StreamIdentifier: stream("order-1")}, GroupName: "g",
		}})
		require.NoError(t, err)
	}
}

func TestGetInfo_ConnectionName(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	_, err := w.create("order-1", func(s *persistent.CreateReq_Settings) { s.MaxSubscriberCount = 2 })
	require.NoError(t, err)
	w.join(t.Context(), "order-1")
	w.join(metadata.AppendToOutgoingContext(t.Context(), "connection-name", "checkout"), "order-1")
	info, err := w.persistent.GetInfo(t.Context(), &persistent.GetInfoReq{Options: &persistent.GetInfoReq_Options{
		StreamOption: &persistent.GetInfoReq_Options_StreamIdentifier{StreamIdentifier: stream("order-1")}, GroupName: "g",
	}})
	require.NoError(t, err)
	var names []string
	for _, connection := range info.GetSubscriptionInfo().GetConnections() {
		names = append(names, connection.GetConnectionName())
	}
	require.ElementsMatch(t, []string{"<unknown>", "checkout"}, names)
}

// join is consume for a group that must accept the caller.
func (w *rawClient) join(ctx context.Context, name string) persistent.PersistentSubscriptions_ReadClient {
	w.Helper()
	call, err := w.consume(ctx, name)
	require.NoError(w, err)
	return call
}
