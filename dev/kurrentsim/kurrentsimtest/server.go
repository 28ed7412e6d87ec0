package kurrentsimtest

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
	"orderflow/internal/kurrent"
)

const (
	// WaitLimit bounds the wait for anything that should happen, also on a busy machine.
	WaitLimit = time.Minute

	// Promptly bounds the time of a call that ends early; otherwise it would never end,
	// or only with the call timeout.
	Promptly = 10 * time.Second
)

// OpenClient returns a client that is closed when the test ends. The call timeout is
// WaitLimit: a call that ends sooner ended for another reason.
func OpenClient(t *testing.T, url string) *kurrent.Client {
	t.Helper()
	client, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true, CallTimeout: WaitLimit})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

// URL returns the connection string of a server without TLS. One attempt to connect takes
// at most a second.
func URL(addr string) string { return "kurrentdb://" + addr + "?tls=false&gossipTimeout=1" }

// Server is a kurrentsim that can be stopped and started again.
type Server struct {
	t       *testing.T
	options kurrentsim.Options
	running *kurrentsim.Server
}

// StartServer starts a server that is stopped when the test ends.
func StartServer(t *testing.T) *Server { return StartServerWith(t, kurrentsim.Options{}) }

// StartServerWith is StartServer with options.
func StartServerWith(t *testing.T, options kurrentsim.Options) *Server {
	t.Helper()
	s := &Server{t: t, options: options}
	s.options.Listen = devservertest.Address(t) // reserved also while it is stopped
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start starts the server again, at the same address.
func (s *Server) Start() {
	s.t.Helper()
	require.Eventually(s.t, func() (started bool) { // a port is free again a moment after its server has stopped
		server, err := kurrentsim.Start(s.options)
		s.running = server
		return err == nil
	}, WaitLimit, 10*time.Millisecond)
}

// Stop stops the server if it runs.
func (s *Server) Stop() {
	s.t.Helper()
	if s.running == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), WaitLimit)
	defer cancel()
	require.NoError(s.t, s.running.Stop(ctx))
	s.running = nil
}

// Addr returns the host:port of the server.
func (s *Server) Addr() string { return s.options.Listen }

// URL returns the connection string of the server.
func (s *Server) URL() string { return URL(s.Addr()) }

// ClosedAddress returns an address on which no server listens.
func ClosedAddress(t *testing.T) string {
	t.Helper()
	return devservertest.Address(t)
}

// Event returns a new JSON event.
func Event(eventType, data string) kurrent.NewEvent {
	return kurrent.NewEvent{ID: uuid.New(), Type: eventType, Data: []byte(data)}
}

// RequireWithin fails the test if action takes longer than limit.
func RequireWithin(t *testing.T, limit time.Duration, action func()) {
	t.Helper()
	began := time.Now()
	action()
	require.Less(t, time.Since(began), limit)
}

// OfficialClient returns the official client, to do what the product never does.
func OfficialClient(t testing.TB, url string) *kurrentdb.Client {
	t.Helper()
	settings, err := kurrentdb.ParseConnectionString(url)
	require.NoError(t, err)
	settings.Logger = kurrentdb.NoopLogging()
	client, err := kurrentdb.NewClient(settings)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Truncate sets a stream's truncate-before to a revision.
func Truncate(t *testing.T, url, stream string, before uint64) {
	t.Helper()
	var metadata kurrentdb.StreamMetadata
	metadata.SetTruncateBefore(before)
	_, err := OfficialClient(t, url).SetStreamMetadata(t.Context(), stream, kurrentdb.AppendToStreamOptions{}, metadata)
	require.NoError(t, err)
}
