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
	// patience is how long anything that should happen may take on a busy machine.
	patience = time.Minute

	// soon is how long what ends by itself may take, where it would not end at all, or only with the time for a call.
	soon = 10 * time.Second
)

// open gives a client that is closed with the test. One attempt to connect takes a second at most, and a call all the time
// there is: what ends sooner has another reason to.
func open(t *testing.T, url string) *kurrent.Client {
	t.Helper()
	client, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true, CallTimeout: patience})
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

// sim starts a server that stops with the test.
func sim(t *testing.T) *node { return simWith(t, kurrentsim.Options{}) }

func simWith(t *testing.T, options kurrentsim.Options) *node {
	t.Helper()
	n := &node{t: t, options: options}
	n.options.Listen = devservertest.Address(t) // of its own also while it is stopped
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
	}, patience, 10*time.Millisecond)
}

func (n *node) stop() {
	n.t.Helper()
	if n.running == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.t.Context()), patience)
	defer cancel()
	require.NoError(n.t, n.running.Stop(ctx))
	n.running = nil
}

func (n *node) addr() string { return n.options.Listen }

func (n *node) url() string { return urlOf(n.addr()) }

// refusing is an address at which nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	return devservertest.Address(t)
}

// silent is an address that takes connections and never says a word.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String() // the kernel's backlog takes them
}

func event(eventType, data string) kurrent.NewEvent {
	return kurrent.NewEvent{ID: uuid.New(), Type: eventType, Data: []byte(data)}
}

func appendOne(ctx context.Context, client *kurrent.Client, stream string) error {
	_, err := client.Append(ctx, stream, kurrent.Any(), event("tested", `{}`))
	return err
}

// within fails the test when action takes longer than it may.
func within(t *testing.T, limit time.Duration, action func()) {
	t.Helper()
	began := time.Now()
	action()
	require.Less(t, time.Since(began), limit)
}

func isUnavailable(err error) bool { return errors.Is(err, kurrent.ErrUnavailable) }
