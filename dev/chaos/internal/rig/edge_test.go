package rig

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
)

func TestEdge_ReplacesStuckProxy(t *testing.T) {
	t.Parallel()
	near := devservertest.Port(t)
	store, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	e := newEdge(newProxies(), "worker-1", Postgres, devserver.Loopback(near), store.Addr().String())
	t.Cleanup(e.Close)
	require.NoError(t, e.Open())
	passes(t, devserver.Loopback(near), store)

	stuck := e.current()
	require.NoError(t, e.replace(stuck))
	require.NotSame(t, stuck, e.current())
	passes(t, devserver.Loopback(near), store)
	again := e.current()
	require.NoError(t, e.replace(stuck), "it was replaced already")
	require.Same(t, again, e.current())
	require.NoError(t, e.Remove(t.Context(), "reset-1"), "it went with the proxy that was stuck")

	e.Close()
	require.NoError(t, e.replace(again))
	// A process that another test is starting holds a copy of the listener for a moment.
	require.Eventually(t, func() bool {
		connection, err := net.Dial("tcp", devserver.Loopback(near))
		if err == nil {
			_ = connection.Close()
		}
		return err != nil
	}, time.Minute, 10*time.Millisecond, "an edge that is closed stays closed")
}

// passes says that a connection to the near end arrives at the far end.
func passes(t *testing.T, near string, store net.Listener) {
	t.Helper()
	connection, err := net.Dial("tcp", near)
	require.NoError(t, err)
	arrived, err := store.Accept()
	require.NoError(t, err)
	require.NoError(t, arrived.Close())
	require.NoError(t, connection.Close())
}
