package kurrent_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
	"orderflow/internal/kurrent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// waitLimit bounds the wait for anything that should happen, also on a busy machine.
	waitLimit = time.Minute

	// promptly bounds the time of a call that ends early; otherwise it would never end,
	// or only with the call timeout.
	promptly = 10 * time.Second
)

// openClient returns a client that is closed when the test ends. One attempt to connect
// takes at most a second, and the call timeout is waitLimit: a call that ends sooner
// ended for another reason.
func openClient(t *testing.T, url string) *kurrent.Client {
	t.Helper()
	client, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true, CallTimeout: waitLimit})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

func urlOf(addr string) string { return "kurrentdb://" + addr + "?tls=false&gossipTimeout=1" }

// node is a server that can be stopped and started again.
type node struct {
	t       *testing.T
	options kurrentsim.Options
	running *kurrentsim.Server
}

// startServer starts a server that is stopped when the test ends.
func startServer(t *testing.T) *node { return startServerWith(t, kurrentsim.Options{}) }

func startServerWith(t *testing.T, options kurrentsim.Options) *node {
	t.Helper()
	n := &node{t: t, options: options}
	n.options.Listen = devservertest.Address(t) // reserved also while it is stopped
	n.start()
	t.Cleanup(n.stop)
	return n
}

func (n *node) start() {
	n.t.Helper()
	require.Eventually(n.t, func() (started bool) { // a port is free again a moment after its server has stopped
		server, err := kurrentsim.Start(n.options)
		n.running = server
		return err == nil
	}, waitLimit, 10*time.Millisecond)
}

func (n *node) stop() {
	n.t.Helper()
	if n.running == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.t.Context()), waitLimit)
	defer cancel()
	require.NoError(n.t, n.running.Stop(ctx))
	n.running = nil
}

func (n *node) addr() string { return n.options.Listen }

func (n *node) url() string { return urlOf(n.addr()) }

// closedAddress returns an address on which no server listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	return devservertest.Address(t)
}

// silentAddress returns an address that accepts connections and never responds.
func silentAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String() // the kernel's backlog accepts them
}

func event(eventType, data string) kurrent.NewEvent {
	return kurrent.NewEvent{ID: uuid.New(), Type: eventType, Data: []byte(data)}
}

func appendOne(ctx context.Context, client *kurrent.Client, stream string) error {
	_, err := client.Append(ctx, stream, kurrent.Any(), event("tested", `{}`))
	return err
}

// requireWithin fails the test if action takes longer than limit.
func requireWithin(t *testing.T, limit time.Duration, action func()) {
	t.Helper()
	began := time.Now()
	action()
	require.Less(t, time.Since(began), limit)
}

func isUnavailable(err error) bool { return errors.Is(err, kurrent.ErrUnavailable) }
