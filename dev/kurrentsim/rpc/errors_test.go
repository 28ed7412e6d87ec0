package rpc_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/rpc"
	"orderflow/dev/kurrentsim/store"
)

func (w *rawClient) tombstone(name string) {
	w.Helper()
	_, err := w.streams.Tombstone(w.Context(), &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{
		StreamIdentifier:       stream(name),
		ExpectedStreamRevision: &streams.TombstoneReq_Options_Any{Any: &shared.Empty{}},
	}})
	require.NoError(w, err)
}

func TestTombstonedStream_Trailers(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	for name, plain := range map[string]bool{
		"order-1": true, "order \t~": true, "order-ä": false, "order-\n\x00": false, "order-\xff": false,
	} {
		w.tombstone(name)
		expect := func(err error, trailer metadata.MD) {
			t.Helper()
			if !plain {
				require.Equal(t, codes.Unknown, status.Code(err), "%q", name)
				require.ErrorContains(t, err, "unexpected HTTP status code received from server: 500")
				require.Empty(t, trailer.Get("exception"))
				require.Empty(t, trailer.Get("content-length"))
				return
			}
			requireRefusal(t, err, trailer, codes.FailedPrecondition, "is deleted.", "stream-deleted", "stream-name", name,
				"content-length", "0")
		}
		_, trailer, err := w.append(appendOptions(name), proposed(1, nil))
		expect(err, trailer)
		_, trailer, err = w.read(readOptions(name))
		expect(err, trailer)
		subscription := readOptions(name)
		subscription.CountOption = &streams.ReadReq_Options_Subscription{Subscription: &streams.ReadReq_Options_SubscriptionOptions{}}
		found, trailer, err := w.read(subscription)
		require.Empty(t, found, "refused before it is confirmed")
		expect(err, trailer)
		trailer = nil
		_, err = w.streams.Delete(t.Context(), &streams.DeleteReq{Options: &streams.DeleteReq_Options{
			StreamIdentifier:       stream(name),
			ExpectedStreamRevision: &streams.DeleteReq_Options_Any{Any: &shared.Empty{}},
		}}, grpc.Trailer(&trailer))
		expect(err, trailer)
	}
}

func TestDelete_WrongVersionTrailers(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	_, _, err := w.append(appendOptions("order-1"), proposed(1, nil), proposed(1, nil))
	require.NoError(t, err)
	details := []string{"stream-name", "order-1", "expected-version", "7", "actual-version", "1"}
	var trailer metadata.MD
	_, err = w.streams.Delete(t.Context(), &streams.DeleteReq{Options: &streams.DeleteReq_Options{
		StreamIdentifier: stream("order-1"), ExpectedStreamRevision: &streams.DeleteReq_Options_Revision{Revision: 7},
	}}, grpc.Trailer(&trailer))
	requireRefusal(t, err, trailer, codes.FailedPrecondition, "WrongExpectedVersion", "wrong-expected-version", details...)
	_, err = w.streams.Tombstone(t.Context(), &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{
		StreamIdentifier: stream("order-1"), ExpectedStreamRevision: &streams.TombstoneReq_Options_Revision{Revision: 7},
	}}, grpc.Trailer(&trailer))
	requireRefusal(t, err, trailer, codes.FailedPrecondition, "WrongExpectedVersion", "wrong-expected-version", details...)
}

func TestAppend_WrongVersionIsAResponse(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	options := appendOptions("order-1")
	options.GetOptions().ExpectedStreamRevision = &streams.AppendReq_Options_Revision{Revision: 7}
	answer, trailer, err := w.append(options, proposed(1, nil))
	require.NoError(t, err)
	require.Empty(t, trailer.Get("exception"))
	require.EqualValues(t, 7, answer.GetWrongExpectedVersion().GetExpectedRevision())
	require.NotNil(t, answer.GetWrongExpectedVersion().GetCurrentNoStream())
}

func TestRead_MissingStreamIsAResponse(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	found, _, err := w.read(readOptions("nowhere"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "nowhere", string(found[0].GetStreamNotFound().GetStreamIdentifier().GetStreamName()))
}

func TestAppend_Oversized(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	_, trailer, err := w.append(appendOptions("order-1"), proposed(1<<20, nil))
	requireRefusal(t, err, trailer, codes.InvalidArgument, "Maximum Append Size of 1048576 Exceeded.", "maximum-append-size-exceeded",
		"maximum-append-size", "1048576", "content-length", "0")
	_, trailer, err = w.append(appendOptions("order-1"), proposed(rpc.MaxMessage, nil))
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.Equal(t, []string{"0"}, trailer.Get("content-length"))

	later := newRawClientOf(t, "25.1.0", 0)
	// The type counts twice, and is sent once.
	large := proposed(rpc.MaxMessage-3000, func(m *streams.AppendReq_ProposedMessage) { m.Metadata["type"] = strings.Repeat("t", 2500) })
	_, trailer, err = later.append(appendOptions("order-1"), large)
	requireRefusal(t, err, trailer, codes.InvalidArgument, "", "maximum-append-event-size-exceeded",
		"maximum-append-event-size", strconv.Itoa(store.MaxEventSize),
		"event-id", large.GetProposedMessage().GetId().GetString_(),
		"proposed-append-event-size", strconv.Itoa(rpc.MaxMessage-3000+2*2500))
	for _, w := range []*rawClient{w, later} {
		found, _, err := w.read(readOptions("order-1"))
		require.NoError(t, err)
		require.NotNil(t, found[0].GetStreamNotFound(), "nothing of it was written")
	}
}

func TestRead_ImpossibleOptions(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	_, _, err := w.append(appendOptions("s-1"), proposed(1, nil))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		edit func(*streams.ReadReq_Options)
		code codes.Code
		text string
	}{
		"no count": {func(o *streams.ReadReq_Options) { o.CountOption = nil }, codes.InvalidArgument,
			"The combination of (Stream, None, Forwards, NoFilter) is invalid."},
		"no filter": {func(o *streams.ReadReq_Options) { o.FilterOption = nil }, codes.InvalidArgument,
			"The combination of (Stream, Count, Forwards, None) is invalid."},
		"count 0": {func(o *streams.ReadReq_Options) { o.CountOption = &streams.ReadReq_Options_Count{} }, codes.Unknown,
			"Unexpected ReadStreamResult: Error"},
		"forwards from the end": {func(o *streams.ReadReq_Options) {
			o.GetStream().RevisionOption = &streams.ReadReq_Options_StreamOptions_End{End: &shared.Empty{}}
		}, codes.Unknown, "Unexpected ReadStreamResult: Error"},
		"a revision out of range": {func(o *streams.ReadReq_Options) {
			o.GetStream().RevisionOption = &streams.ReadReq_Options_StreamOptions_Revision{Revision: 1 << 63}
		}, codes.Unknown, "Exception was thrown by handler."},
		"no name": {func(o *streams.ReadReq_Options) { o.GetStream().StreamIdentifier = nil }, codes.Unknown, "Exception was thrown by handler."},
	} {
		options := readOptions("s-1")
		c.edit(options)
		_, trailer, err := w.read(options)
		require.Equal(t, c.code, status.Code(err), name)
		require.Equal(t, c.text, status.Convert(err).Message(), name)
		require.Equal(t, []string{"0"}, trailer.Get("content-length"), name)
	}
}

func TestAppend_MissingMetadata(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	for _, key := range []string{"type", "content-type"} {
		_, trailer, err := w.append(appendOptions("order-1"), proposed(1, func(m *streams.AppendReq_ProposedMessage) { delete(m.Metadata, key) }))
		requireRefusal(t, err, trailer, codes.InvalidArgument, key, "missing-required-metadata-property",
			"required-metadata-properties", "type,content-type")
	}
}

// hold begins an append and leaves it open.
func (w *rawClient) hold(ctx context.Context, stream string, size int) streams.Streams_AppendClient {
	w.Helper()
	call, err := w.streams.Append(ctx)
	require.NoError(w, err)
	require.NoError(w, call.Send(appendOptions(stream)))
	require.NoError(w, call.Send(proposed(size, nil)))
	return call
}

func TestAppend_LimitsBufferedBytes(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 1<<20)
	holder := w.hold(t.Context(), "order-1", 900<<10)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, _, err := w.append(appendOptions("order-2"), proposed(200<<10, nil))
		if err == nil { // it came before the holder's append, which is then rejected itself
			_, _ = holder.CloseAndRecv()
			holder = w.hold(t.Context(), "order-1", 900<<10)
		}
		require.Equal(c, codes.Unavailable, status.Code(err))
		require.Equal(c, "Server Is Too Busy", status.Convert(err).Message())
	}, waitFor, 20*tick)
	_, _, err := w.append(appendOptions("order-3"), proposed(1<<10, nil))
	require.NoError(t, err, "a small one has room")
	_, err = holder.CloseAndRecv()
	require.NoError(t, err, "the append that holds the budget continues")
	_, _, err = w.append(appendOptions("order-2"), proposed(900<<10, nil))
	require.NoError(t, err, "and releases its budget")

	ctx, leave := context.WithCancel(t.Context())
	w.hold(ctx, "order-4", 900<<10)
	leave()
	require.Eventually(t, func() bool {
		_, _, err := w.append(appendOptions("order-2"), proposed(900<<10, nil))
		return err == nil
	}, waitFor, tick, "an unfinished one releases it too")
}

func TestIncompleteRequests(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	_, _, err := w.append()
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	_, _, err = w.append(&streams.AppendReq{})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	for name, c := range map[string]struct {
		edit func(options, event *streams.AppendReq)
		code codes.Code
	}{
		"no expectation": {func(o, _ *streams.AppendReq) { o.GetOptions().ExpectedStreamRevision = nil }, codes.InvalidArgument},
		"a revision out of range": {func(o, _ *streams.AppendReq) {
			o.GetOptions().ExpectedStreamRevision = &streams.AppendReq_Options_Revision{Revision: 1 << 63}
		}, codes.Unknown},
	} {
		options, event := appendOptions("s-1"), proposed(1, nil)
		c.edit(options, event)
		_, _, err := w.append(options, event)
		require.Equal(t, c.code, status.Code(err), name)
	}
	for name, change := range map[string]func(*streams.AppendReq_ProposedMessage){
		"no id":  func(m *streams.AppendReq_ProposedMessage) { m.Id = nil },
		"nil id": func(m *streams.AppendReq_ProposedMessage) { m.Id = &shared.UUID{Value: &shared.UUID_Structured_{}} },
		"odd id": func(m *streams.AppendReq_ProposedMessage) {
			m.Id = &shared.UUID{Value: &shared.UUID_String_{String_: "x"}}
		},
		"no type":   func(m *streams.AppendReq_ProposedMessage) { m.Metadata["type"] = "" },
		"no fields": func(m *streams.AppendReq_ProposedMessage) { m.Reset() },
	} {
		_, _, err = w.append(appendOptions("order-1"), proposed(1, change))
		require.Equal(t, codes.Unknown, status.Code(err), name)
	}
	for name, change := range map[string]func(*streams.ReadReq_Options){
		"no uuid option":       func(o *streams.ReadReq_Options) { o.UuidOption = nil },
		"no stream":            func(o *streams.ReadReq_Options) { o.StreamOption = nil },
		"no count":             func(o *streams.ReadReq_Options) { o.CountOption = nil },
		"a backwards follower": backwardsFollower,
		"a filter of nothing":  func(o *streams.ReadReq_Options) { o.FilterOption = &streams.ReadReq_Options_Filter{} },
	} {
		options := readOptions("order-1")
		change(options)
		_, _, err = w.read(options)
		require.Equal(t, codes.InvalidArgument, status.Code(err), name)
	}
	_, _, err = w.read(nil)
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	for name, call := range w.emptyCalls() {
		require.Error(t, call(t.Context()), name)
	}
	_, _, err = w.append(appendOptions("order-1"), proposed(1, nil))
	require.NoError(t, err, "the server is unchanged")
}

func backwardsFollower(o *streams.ReadReq_Options) {
	o.CountOption = &streams.ReadReq_Options_Subscription{Subscription: &streams.ReadReq_Options_SubscriptionOptions{}}
	o.ReadDirection = streams.ReadReq_Options_Backwards
}

// emptyCalls returns calls with empty requests.
func (w *rawClient) emptyCalls() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"delete": func(ctx context.Context) error { _, err := w.streams.Delete(ctx, &streams.DeleteReq{}); return err },
		"tombstone": func(ctx context.Context) error {
			_, err := w.streams.Tombstone(ctx, &streams.TombstoneReq{})
			return err
		},
		"batch append": func(ctx context.Context) error {
			call, err := w.streams.BatchAppend(ctx)
			if err == nil {
				err = call.Send(&streams.BatchAppendReq{})
			}
			if err == nil {
				_, err = call.Recv()
			}
			return err
		},
		"create": func(ctx context.Context) error {
			_, err := w.persistent.Create(ctx, &persistent.CreateReq{})
			return err
		},
		"update": func(ctx context.Context) error {
			_, err := w.persistent.Update(ctx, &persistent.UpdateReq{})
			return err
		},
		"delete group": func(ctx context.Context) error {
			_, err := w.persistent.Delete(ctx, &persistent.DeleteReq{})
			return err
		},
		"info": func(ctx context.Context) error {
			_, err := w.persistent.GetInfo(ctx, &persistent.GetInfoReq{})
			return err
		},
		"replay": func(ctx context.Context) error {
			_, err := w.persistent.ReplayParked(ctx, &persistent.ReplayParkedReq{})
			return err
		},
		"consume": func(ctx context.Context) error {
			call, err := w.persistent.Read(ctx)
			if err == nil {
				err = call.Send(&persistent.ReadReq{})
			}
			if err == nil {
				_, err = call.Recv()
			}
			return err
		},
	}
}
