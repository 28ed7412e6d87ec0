package messages_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/kurrentsim"

	"example.com/catalog/messages"
	"example.com/catalog/video"
)

const (
	// waitLimit bounds the wait for anything that should happen, also on a busy machine.
	waitLimit = time.Minute
	// promptly bounds a call that would otherwise end with the timeout of waitLimit.
	promptly = 10 * time.Second
)

// server is a KurrentDB simulator that can be stopped and started again, with its data.
type server struct {
	t       *testing.T
	options kurrentsim.Options
	running *kurrentsim.Server
}

func startServer(t *testing.T, options kurrentsim.Options) *server {
	ports, err := devserver.ClaimPorts() // so that the port stays free while the server is stopped
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ports.Close()) })
	port, err := ports.Next()
	require.NoError(t, err)
	options.Listen, options.DataDir = devserver.Loopback(port), t.TempDir()
	s := &server{t: t, options: options}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) start() {
	require.Eventually(s.t, func() (started bool) { // the port is free again a moment after the stop
		running, err := kurrentsim.Start(s.options)
		s.running = running
		return err == nil
	}, waitLimit, 10*time.Millisecond)
}

func (s *server) stop() {
	if s.running != nil {
		require.NoError(s.t, s.running.Stop(context.Background()))
		s.running = nil
	}
}

// open returns a store whose calls end after waitLimit, unless the test ends them sooner.
func open(t *testing.T, address string) *messages.Store {
	url := "kurrentdb://" + address + "?tls=false&gossipTimeout=1&defaultDeadline=60000"
	store, err := messages.Open(url, true, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store
}

// openServer returns a store on a new server.
func openServer(t *testing.T, options kurrentsim.Options) (*server, *messages.Store) {
	s := startServer(t, options)
	return s, open(t, s.options.Listen)
}

// official returns the official client, to do what the store never does.
func (s *server) official() *kurrentdb.Client {
	settings, err := kurrentdb.ParseConnectionString("kurrentdb://" + s.options.Listen + "?tls=false")
	require.NoError(s.t, err)
	settings.Logger = kurrentdb.NoopLogging()
	client, err := kurrentdb.NewClient(settings)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, client.Close()) })
	return client
}

// silentAddress returns an address that accepts connections and never responds.
func silentAddress(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	return listener.Addr().String() // the kernel's backlog accepts them
}

// newMessage returns a message with an id of its own.
func newMessage() video.NewMessage {
	return video.NewMessage{
		ID: uuid.New(), Type: "Tested", Data: map[string]string{"key": "<value>"},
		Metadata: video.NewMetadata("trace", "origin-1", uuid.New()),
	}
}

// read returns the messages of a stream.
func read(t *testing.T, store *messages.Store, stream string) []video.Message {
	found, err := store.Read(t.Context(), stream)
	require.NoError(t, err)
	return found
}

// appendTo appends new messages to a stream, and returns their ids.
func appendTo(t *testing.T, store *messages.Store, stream string, n int) (ids []uuid.UUID) {
	for range n {
		m := newMessage()
		require.NoError(t, store.Append(t.Context(), stream, messages.Any, m))
		ids = append(ids, m.ID)
	}
	return ids
}
