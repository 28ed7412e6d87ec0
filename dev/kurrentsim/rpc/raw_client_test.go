package rpc_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	streamsv2 "github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v2/streams/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/groups"
	"orderflow/dev/kurrentsim/journal"
	"orderflow/dev/kurrentsim/rpc"
	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/leaktest"
)

func TestMain(m *testing.M) {
	leaktest.Main(m)
}

// rawClient is a service and a direct connection to it, without the official client.
type rawClient struct {
	*testing.T
	streams    streams.StreamsClient
	persistent persistent.PersistentSubscriptionsClient
	sessions   streamsv2.StreamsServiceClient // not registered before 25.1
}

func newRawClient(t *testing.T, maxBuffered int64, extra ...grpc.ServerOption) *rawClient {
	t.Helper()
	return newRawClientOf(t, rpc.DefaultVersion, maxBuffered, extra...)
}

// newRawClientOf is newRawClient for a server of another version.
func newRawClientOf(t *testing.T, version string, maxBuffered int64, extra ...grpc.ServerOption) *rawClient {
	t.Helper()
	release, err := rpc.ParseRelease(version)
	require.NoError(t, err)
	events, _, err := store.Open(store.Config{Storage: &journal.Memory{}})
	require.NoError(t, err)
	manager, err := groups.Open(events, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	stopping, stop := context.WithCancel(context.Background())
	service := &rpc.Service{
		Store: events, Groups: manager, Logger: slog.New(slog.DiscardHandler), Release: release,
		MaxBuffered: maxBuffered, Stopping: stopping,
	}
	server := grpc.NewServer(append(append(rpc.ServerOptions(), grpc.WaitForHandlers(true)), extra...)...)
	service.Register(server, netip.AddrPort{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		stop()
		manager.Stop()
		server.Stop()
		require.NoError(t, events.Close())
	})
	return &rawClient{
		T: t, streams: streams.NewStreamsClient(conn), persistent: persistent.NewPersistentSubscriptionsClient(conn),
		sessions: streamsv2.NewStreamsServiceClient(conn),
	}
}

func stream(name string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(name)}
}

func appendOptions(name string) *streams.AppendReq {
	return &streams.AppendReq{Content: &streams.AppendReq_Options_{Options: &streams.AppendReq_Options{
		StreamIdentifier:       stream(name),
		ExpectedStreamRevision: &streams.AppendReq_Options_Any{Any: &shared.Empty{}},
	}}}
}

// proposed returns an event as a client sends it.
func proposed(size int, change func(*streams.AppendReq_ProposedMessage)) *streams.AppendReq {
	message := &streams.AppendReq_ProposedMessage{
		Id:       &shared.UUID{Value: &shared.UUID_String_{String_: uuid.NewString()}},
		Metadata: map[string]string{"type": "placed", "content-type": "application/json"},
		Data:     make([]byte, size),
	}
	if change != nil {
		change(message)
	}
	return &streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{ProposedMessage: message}}
}

// append sends the messages and waits for the response.
func (w *rawClient) append(messages ...*streams.AppendReq) (*streams.AppendResp, metadata.MD, error) {
	call, err := w.streams.Append(w.Context())
	if err != nil {
		return nil, nil, err
	}
	for _, message := range messages {
		if err := call.Send(message); err != nil {
			break // the response contains the reason
		}
	}
	answer, err := call.CloseAndRecv()
	return answer, call.Trailer(), err
}

// read returns the first messages of a read, at most as many as there are before its end,
// and its error.
func (w *rawClient) read(options *streams.ReadReq_Options) ([]*streams.ReadResp, metadata.MD, error) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), waitFor)
	defer cancel()
	call, err := w.streams.Read(ctx, &streams.ReadReq{Options: options})
	require.NoError(w, err)
	var found []*streams.ReadResp
	for {
		message, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return found, call.Trailer(), nil
		}
		if err != nil {
			return found, call.Trailer(), err
		}
		found = append(found, message)
	}
}

func readOptions(name string) *streams.ReadReq_Options {
	return &streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_Stream{Stream: &streams.ReadReq_Options_StreamOptions{
			StreamIdentifier: stream(name),
			RevisionOption:   &streams.ReadReq_Options_StreamOptions_Start{Start: &shared.Empty{}},
		}},
		CountOption:  &streams.ReadReq_Options_Count{Count: 10},
		FilterOption: &streams.ReadReq_Options_NoFilter{NoFilter: &shared.Empty{}},
		UuidOption:   structured(),
	}
}

func structured() *streams.ReadReq_Options_UUIDOption {
	return &streams.ReadReq_Options_UUIDOption{Content: &streams.ReadReq_Options_UUIDOption_Structured{Structured: &shared.Empty{}}}
}

// requireRefusal requires a status and, in addition to the exception, the given trailers,
// as pairs of key and value.
func requireRefusal(t *testing.T, err error, trailer metadata.MD, code codes.Code, text, exception string, details ...string) {
	t.Helper()
	require.Equal(t, code, status.Code(err), "%v", err)
	require.Contains(t, status.Convert(err).Message(), text)
	want := map[string][]string{"exception": {exception}}
	for i := 0; i < len(details); i += 2 {
		want[details[i]] = []string{details[i+1]}
	}
	for key, value := range want {
		require.Equal(t, value, trailer.Get(key), key)
	}
}
