package temporalclient_test

import (
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/internal/config"
	"orderflow/internal/temporalclient"
)

func TestDial(t *testing.T) {
	t.Parallel()
	for _, code := range []codes.Code{codes.Unauthenticated, codes.PermissionDenied} {
		t.Run("ends when the credentials are refused: "+code.String(), func(t *testing.T) {
			t.Parallel()
			address := startRefusingServer(t, code)
			_, err := temporalclient.Dial(t.Context(), client.Options{HostPort: address, Namespace: "orders"}, slog.New(slog.DiscardHandler))
			require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
			require.ErrorContains(t, err, "TEMPORAL_*: the server refuses the credentials for namespace orders: ")
			require.ErrorContains(t, err, "Request unauthorized.")
		})
	}
}

// startRefusingServer starts a server that returns code for every call, like Temporal's
// frontend for a request without credentials.
func startRefusingServer(t *testing.T, code codes.Code) (address string) {
	t.Helper()
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
		return status.Error(code, "Request unauthorized.")
	}))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}
