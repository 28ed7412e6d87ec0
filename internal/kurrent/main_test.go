package kurrent_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silentAddress returns an address that accepts connections and never responds.
func silentAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String() // the kernel's backlog accepts them
}

func appendOne(ctx context.Context, client *kurrent.Client, stream string) error {
	_, err := client.Append(ctx, stream, kurrent.Any(), kurrentsimtest.Event("tested", `{}`))
	return err
}

func isUnavailable(err error) bool { return errors.Is(err, kurrent.ErrUnavailable) }
