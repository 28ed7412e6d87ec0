package faultproxy_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"orderflow/dev/faultproxy"
)

const (
	check = "Health/Check"
	watch = "Health/Watch"
)

// startRelay starts a relay to a health server, and returns a client that calls it
// through the relay.
func startRelay(t *testing.T) (*faultproxy.Relay, *health.Server, healthpb.HealthClient) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server, service := grpc.NewServer(), health.NewServer()
	healthpb.RegisterHealthServer(server, service)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-served)
	})
	r, err := faultproxy.StartRelay(listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	conn, err := grpc.NewClient(r.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return r, service, healthpb.NewHealthClient(conn)
}

func TestRelay_CountsAndHandlesCalls(t *testing.T) {
	t.Parallel()
	r, _, client := startRelay(t)
	response, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, healthpb.HealthCheckResponse_SERVING, response.GetStatus())
	require.Equal(t, 1, r.Count(check))
	_, err = client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "missing"})
	require.Equal(t, codes.NotFound, status.Code(err), "errors of the server are forwarded")
	r.Handle(check, func(func() error) error { return status.Error(codes.PermissionDenied, "denied") })
	_, err = client.Check(t.Context(), &healthpb.HealthCheckRequest{})
	require.Equal(t, codes.PermissionDenied, status.Code(err))
	r.Handle(check, func(pass func() error) error { return pass() })
	_, err = client.Check(t.Context(), &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, 4, r.Count(check))
	require.Zero(t, r.Count(watch))
}

func TestRelay_MuteDiscardsLaterMessages(t *testing.T) {
	t.Parallel()
	r, service, client := startRelay(t)
	stream, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	received := make(chan healthpb.HealthCheckResponse_ServingStatus, 10)
	go func() {
		defer close(received)
		for {
			response, err := stream.Recv()
			if err != nil {
				return
			}
			received <- response.GetStatus()
		}
	}()
	require.Equal(t, healthpb.HealthCheckResponse_SERVING, <-received)
	r.Mute(watch)
	service.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	select {
	case got := <-received:
		require.Fail(t, "a message was forwarded", got)
	case <-time.After(100 * time.Millisecond):
	}
	r.Unmute(watch)
	service.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	// The muted message may still be on its way.
	for got := healthpb.HealthCheckResponse_UNKNOWN; got != healthpb.HealthCheckResponse_SERVING; {
		var open bool
		got, open = <-received
		require.True(t, open)
	}
}
