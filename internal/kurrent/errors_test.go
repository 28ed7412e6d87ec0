package kurrent_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

func TestTranslate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code     codes.Code
		message  string
		trailers metadata.MD
		want     error
	}{
		"a missing stream":                  {code: codes.NotFound, want: kurrent.ErrNotFound},
		"a deleted stream":                  {code: codes.FailedPrecondition, trailers: metadata.Pairs("exception", "stream-deleted", "stream-name", "s"), want: kurrent.ErrDeleted},
		"no right":                          {code: codes.PermissionDenied, want: kurrent.ErrAccessDenied},
		"an unknown user":                   {code: codes.Unauthenticated, want: kurrent.ErrAccessDenied},
		"an event above the limit":          {code: codes.InvalidArgument, message: "exceeds Maximum Append Event Size of 3", want: kurrent.ErrTooLarge},
		"a batch above the limit":           {code: codes.InvalidArgument, message: "Maximum Append Size of 3 Exceeded.", want: kurrent.ErrTooLarge},
		"a message above the limit":         {code: codes.ResourceExhausted, message: "received message larger than max", want: kurrent.ErrTooLarge},
		"a message above the real limit":    {code: codes.ResourceExhausted, message: "Received message exceeds the maximum configured message size.", want: kurrent.ErrTooLarge},
		"a request that makes no sense":     {code: codes.InvalidArgument, want: kurrent.ErrInvalid},
		"a method the server does not have": {code: codes.Unimplemented, want: kurrent.ErrInvalid},
		"a server that is starting":         {code: codes.Unavailable, message: "Server Is Not Ready", want: kurrent.ErrUnavailable},
		"a server that is busy":             {code: codes.ResourceExhausted, want: kurrent.ErrUnavailable},
		"a write that took too long":        {code: codes.Aborted, want: kurrent.ErrUnavailable},
		"a deadline that passed there":      {code: codes.DeadlineExceeded, want: kurrent.ErrUnavailable},
		"an exception":                      {code: codes.Unknown, message: "Exception was thrown by handler.", want: kurrent.ErrUnavailable},
		"a trailer the client panics on":    {code: codes.FailedPrecondition, trailers: metadata.Pairs("exception", "stream-deleted"), want: kurrent.ErrUnavailable},
		"a very long message":               {code: codes.Internal, message: strings.Repeat("long ", 1000), want: kurrent.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartStub(t, func(_ string, stream grpc.ServerStream) error {
				stream.SetTrailer(c.trailers)
				return status.Error(c.code, c.message)
			}))
			err := client.ReadStream(t.Context(), "s", 0, 0, nil)
			require.ErrorIs(t, err, c.want)
			require.Less(t, len(err.Error()), 500)
		})
	}
}

func TestReadStream_UnknownMessage(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartStub(t, func(_ string, stream grpc.ServerStream) error {
		caughtUp := &streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}}
		return stream.SendMsg(caughtUp)
	}))
	require.ErrorIs(t, client.ReadStream(t.Context(), "s", 0, 0, nil), kurrent.ErrUnavailable)
}

func TestReadStream_CutOff(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartStub(t, func(_ string, stream grpc.ServerStream) error {
		if err := stream.SendMsg(recorded("s", 0)); err != nil {
			return err
		}
		return status.Error(codes.Unavailable, "gone")
	}))
	visited := 0
	err := client.ReadStream(t.Context(), "s", 0, 0, func(kurrent.Event) error {
		visited++
		return nil
	})
	require.ErrorIs(t, err, kurrent.ErrUnavailable)
}

func recorded(stream string, revision uint64) *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
		Event: &streams.ReadResp_ReadEvent_RecordedEvent{
			Id: protoID(), StreamIdentifier: kurrentsimtest.StreamID(stream), StreamRevision: revision,
			Metadata: map[string]string{"type": "tested", "content-type": "application/json", "created": fmt.Sprint(time.Now().UnixNano() / 100)},
		},
	}}}
}

func protoID() *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_String_{String_: uuid.NewString()}}
}
