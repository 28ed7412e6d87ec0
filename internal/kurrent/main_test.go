package kurrent_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"orderflow/dev/faultproxy"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/dev/leaktest"
	"orderflow/internal/kurrent"
)

// TestMain ignores what is left of connections that the official client has dropped: see
// pool. A client that this package does not close is found by its own goroutine.
func TestMain(m *testing.M) {
	leaktest.Main(m,
		goleak.IgnoreAnyFunction("google.golang.org/grpc.(*addrConn).connect"),
		goleak.IgnoreAnyFunction("google.golang.org/grpc/internal/grpcsync.(*CallbackSerializer).run"),
	)
}

// silentAddress returns an address that accepts connections and never responds.
func silentAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String() // the kernel's backlog accepts them
}

// startProxy starts a proxy to a server.
func startProxy(t *testing.T, target string) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.Start(target)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func appendOne(ctx context.Context, client *kurrent.Client, stream string) error {
	_, err := client.Append(ctx, stream, kurrent.Any(), kurrentsimtest.Event("tested", `{}`))
	return err
}

func isUnavailable(err error) bool { return errors.Is(err, kurrent.ErrUnavailable) }
