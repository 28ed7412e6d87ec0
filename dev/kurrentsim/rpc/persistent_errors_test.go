package rpc_test

import (
	"context"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	waitFor = time.Minute
	tick    = 5 * time.Millisecond
)

func settings(change func(*persistent.CreateReq_Settings)) *persistent.CreateReq_Settings {
	s := &persistent.CreateReq_Settings{
		MaxRetryCount: 10, MinCheckpointCount: 10, MaxCheckpointCount: 1000, LiveBufferSize: 500, ReadBatchSize: 20,
		HistoryBufferSize: 500, ConsumerStrategy: "RoundRobin", MaxSubscriberCount: 1,
		MessageTimeout:  &persistent.CreateReq_Settings_MessageTimeoutMs{MessageTimeoutMs: 30_000},
		CheckpointAfter: &persistent.CreateReq_Settings_CheckpointAfterMs{CheckpointAfterMs: 2_000},
	}
	if change != nil {
		change(s)
	}
	return s
}

func (w *rawClient) create(name string, change func(*persistent.CreateReq_Settings)) (metadata.MD, error) {
	var trailer metadata.MD
	_, err := w.persistent.Create(w.Context(), &persistent.CreateReq{Options: &persistent.CreateReq_Options{
		StreamOption: &persistent.CreateReq_Options_Stream{Stream: &persistent.CreateReq_StreamOptions{
			StreamIdentifier: stream(name),
			RevisionOption:   &persistent.CreateReq_StreamOptions_Start{Start: &shared.Empty{}},
		}},
		GroupName: "g", Settings: settings(change),
	}}, grpc.Trailer(&trailer))
	return trailer, err
}

// consume joins a group, asking for ids as text. It returns the error that ends the call,
// or nil if the group confirms.
func (w *rawClient) consume(ctx context.Context, name string) (persistent.PersistentSubscriptions_ReadClient, error) {
	w.Helper()
	call, err := w.persistent.Read(ctx)
	require.NoError(w, err)
	require.NoError(w, call.Send(&persistent.ReadReq{Content: &persistent.ReadReq_Options_{Options: &persistent.ReadReq_Options{
		StreamOption: &persistent.ReadReq_Options_StreamIdentifier{StreamIdentifier: stream(name)},
		GroupName:    "g", BufferSize: 10,
		UuidOption: &persistent.ReadReq_Options_UUIDOption{
			Content: &persistent.ReadReq_Options_UUIDOption_String_{String_: &shared.Empty{}},
		},
	}}}))
	_, err = call.Recv()
	return call, err
}

func TestMissingGroup_Trailers(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	expect := func(err error, trailer metadata.MD) {
		t.Helper()
		requireRefusal(t, err, trailer, codes.NotFound, "does not exist", "persistent-subscription-does-not-exist",
			"stream-name", "order-1", "group-name", "g")
	}
	call, err := w.consume(t.Context(), "order-1")
	expect(err, call.Trailer())
	var trailer metadata.MD
	_, err = w.persistent.GetInfo(t.Context(), &persistent.GetInfoReq{Options: &persistent.GetInfoReq_Options{
		StreamOption: &persistent.GetInfoReq_Options_StreamIdentifier{StreamIdentifier: stream("order-1")}, GroupName: "g",
	}}, grpc.Trailer(&trailer))
	expect(err, trailer)
	_, err = w.persistent.Delete(t.Context(), &persistent.DeleteReq{Options: &persistent.DeleteReq_Options{
		StreamOption: &persistent.DeleteReq_Options_StreamIdentifier{StreamIdentifier: stream("order-1")}, GroupName: "g",
	}}, grpc.Trailer(&trailer))
	expect(err, trailer)
	_, err = w.persistent.Update(t.Context(), &persistent.UpdateReq{Options: &persistent.UpdateReq_Options{
		StreamOption: &persistent.UpdateReq_Options_Stream{Stream: &persistent.UpdateReq_StreamOptions{StreamIdentifier: stream("order-1")}},
		GroupName:    "g",
	}}, grpc.Trailer(&trailer))
	expect(err, trailer)
	_, err = w.persistent.ReplayParked(t.Context(), replayRequest(0), grpc.Trailer(&trailer))
	expect(err, trailer)
	_, err = w.persistent.List(t.Context(), &persistent.ListReq{Options: &persistent.ListReq_Options{
		ListOption: &persistent.ListReq_Options_ListForStream{ListForStream: &persistent.ListReq_StreamOption{
			StreamOption: &persistent.ListReq_StreamOption_Stream{Stream: stream("order-1")},
		}},
	}}, grpc.Trailer(&trailer))
	require.Equal(t, codes.NotFound, status.Code(err))
}

func replayRequest(stopAt int64) *persistent.ReplayParkedReq {
	return &persistent.ReplayParkedReq{Options: &persistent.ReplayParkedReq_Options{
		StreamOption: &persistent.ReplayParkedReq_Options_StreamIdentifier{StreamIdentifier: stream("order-1")}, GroupName: "g",
		StopAtOption: &persistent.ReplayParkedReq_Options_StopAt{StopAt: stopAt},
	}}
}

func TestCreateGroup_InvalidSettings(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	for reason, change := range map[string]func(*persistent.CreateReq_Settings){
		"consumer strategy Lottery": func(s *persistent.CreateReq_Settings) { s.ConsumerStrategy = "Lottery" },
		"read batch size":           func(s *persistent.CreateReq_Settings) { s.ReadBatchSize = s.HistoryBufferSize },
	} {
		trailer, err := w.create("order-1", change)
		requireRefusal(t, err, trailer, codes.Internal, reason, "persistent-subscription-failed", "stream-name", "order-1", "group-name", "g")
		require.Contains(t, trailer.Get("reason")[0], reason)
	}
	trailer, err := w.create("$all", nil)
	require.Equal(t, codes.Unknown, status.Code(err))
	require.Empty(t, trailer.Get("exception"))
	_, err = w.create("order-1", nil)
	require.NoError(t, err)
	_, err = w.persistent.ReplayParked(t.Context(), replayRequest(-1), grpc.Trailer(&trailer))
	requireRefusal(t, err, trailer, codes.Internal, "negative", "persistent-subscription-failed", "group-name", "g")
	trailer, err = w.create("order-1", nil)
	requireRefusal(t, err, trailer, codes.AlreadyExists, "exists", "persistent-subscription-exists", "stream-name", "order-1", "group-name", "g")
}

func TestReadGroup_Errors(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	_, err := w.create("order-1", nil)
	require.NoError(t, err)
	first, err := w.consume(t.Context(), "order-1")
	require.NoError(t, err)
	second, err := w.consume(t.Context(), "order-1")
	requireRefusal(t, err, second.Trailer(), codes.FailedPrecondition, "Maximum subscriptions reached", "maximum-subscribers-reached",
		"stream-name", "order-1", "group-name", "g")
	_, err = w.persistent.RestartSubsystem(t.Context(), &shared.Empty{})
	require.NoError(t, err)
	_, err = first.Recv()
	requireRefusal(t, err, first.Trailer(), codes.Canceled, "Subscription group g on stream order-1 was dropped.",
		"persistent-subscription-dropped", "stream-name", "order-1", "group-name", "g")
}

func TestGroup_StreamWithoutAName(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := w.persistent.Create(ctx, &persistent.CreateReq{Options: &persistent.CreateReq_Options{
		StreamOption: &persistent.CreateReq_Options_Stream{Stream: &persistent.CreateReq_StreamOptions{StreamIdentifier: stream("")}},
		GroupName:    "g", Settings: settings(nil),
	}})
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	deadline, _ := ctx.Deadline() // the server's own may end a moment before the caller's
	require.Less(t, time.Until(deadline), 100*time.Millisecond, "the caller's deadline ended the call")
}

func TestCreateGroup_UnusualNames(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	for name, change := range map[string]func(*persistent.CreateReq_Settings){
		"no batch": func(s *persistent.CreateReq_Settings) { s.ReadBatchSize = 0 },
		"a negative time-out": func(s *persistent.CreateReq_Settings) {
			s.MessageTimeout = &persistent.CreateReq_Settings_MessageTimeoutMs{MessageTimeoutMs: -1}
		},
	} {
		_, err := w.create(name, change)
		require.NoError(t, err, name)
	}
}

func TestListGroups_AfterDelete(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	_, err := w.create("order-1", nil)
	require.NoError(t, err)
	_, err = w.persistent.Delete(t.Context(), &persistent.DeleteReq{Options: &persistent.DeleteReq_Options{
		StreamOption: &persistent.DeleteReq_Options_StreamIdentifier{StreamIdentifier: stream("order-1")}, GroupName: "g",
	}})
	require.NoError(t, err)
	list, err := w.persistent.List(t.Context(), &persistent.ListReq{Options: &persistent.ListReq_Options{
		ListOption: &persistent.ListReq_Options_ListForStream{ListForStream: &persistent.ListReq_StreamOption{
			StreamOption: &persistent.ListReq_StreamOption_Stream{Stream: stream("order-1")},
		}},
	}})
	require.NoError(t, err)
	require.Empty(t, list.GetSubscriptions())
}
