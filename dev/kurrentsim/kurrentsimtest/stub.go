package kurrentsimtest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/serverfeatures"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// stub is a server that completes the client's handshake and passes every other call to
// the test.
type stub struct {
	serverfeatures.UnimplementedServerFeaturesServer
	respond func(method string, stream grpc.ServerStream) error
}

// StartStub starts a stub and returns its connection string.
func StartStub(
	t *testing.T, respond func(method string, stream grpc.ServerStream) error, options ...grpc.ServerOption,
) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &stub{respond: respond}
	server := grpc.NewServer(append(options,
		grpc.UnknownServiceHandler(s.handle),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)...)
	serverfeatures.RegisterServerFeaturesServer(server, s)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-served)
	})
	return URL(listener.Addr().String())
}

func (s *stub) handle(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	return s.respond(method, stream)
}

// GetSupportedMethods completes the handshake.
func (s *stub) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	const persistent = "event_store.client.persistent_subscriptions.persistentsubscriptions"
	return &serverfeatures.SupportedMethods{
		EventStoreServerVersion: "25.1.0",
		Methods:                 []*serverfeatures.SupportedMethod{{ServiceName: persistent, MethodName: "getinfo"}},
	}, nil
}

// StreamID returns a stream's name as messages hold it.
func StreamID(name string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(name)}
}

// ReceiveAppend reads a whole append: the client sees no response that comes before it
// has sent everything.
func ReceiveAppend(stream grpc.ServerStream) {
	for err := error(nil); err == nil; err = stream.RecvMsg(&streams.AppendReq{}) {
	}
}
