package postgres_test

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/postgres"
)

// silentHost returns an address that accepts connections and never responds, like the
// host of a machine that is gone.
func silentHost(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	return listener.Addr().String() // the kernel's backlog accepts them
}

// A server with two hosts in its URL, of which the first is gone.
func TestURL_FirstHostIsGone(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	address, err := url.Parse(w.url)
	require.NoError(t, err)
	address.Host = silentHost(t) + "," + address.Host
	t.Run("a pool connects to the second", func(t *testing.T) {
		t.Parallel()
		store, err := openStores(t.Context(), postgres.Config{URL: address.String(), MaxConns: 4, CallTimeout: 10 * time.Second})
		require.NoError(t, err)
		t.Cleanup(store.Close)
		require.NoError(t, store.Ping(t.Context()), "within the time of one call")
	})
	t.Run("a replication connection too", func(t *testing.T) {
		t.Parallel()
		store, err := openStores(t.Context(), postgres.Config{URL: address.String(), CallTimeout: 10 * time.Second})
		require.NoError(t, err)
		t.Cleanup(store.Close)
		replication, err := store.OpenReplication(t.Context(), "orderflow")
		require.NoError(t, err)
		replication.Close()
	})
	t.Run("a replication connection waits as long as the URL says", func(t *testing.T) {
		t.Parallel()
		slow := *address
		slow.RawQuery += "&connect_timeout=1"
		store, err := openStores(t.Context(), postgres.Config{URL: slow.String(), CallTimeout: patience})
		require.NoError(t, err)
		t.Cleanup(store.Close)
		began := time.Now()
		replication, err := store.OpenReplication(t.Context(), "orderflow")
		require.NoError(t, err)
		replication.Close()
		require.Less(t, time.Since(began), patience/2, "connect_timeout is not replaced")
	})
	t.Run("an inspector reads the second within the doctor's time", func(t *testing.T) {
		t.Parallel()
		inspector, err := postgres.OpenInspector(address.String(), "orderflow")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err = inspector.Inspect(ctx, func() {})
		require.NoError(t, err)
	})
	t.Run("the migrations too", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, postgres.Migrate(t.Context(), address.String(), slog.New(slog.DiscardHandler)))
	})
}
