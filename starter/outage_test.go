package main

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/internal/kurrentsim"
)

// door is a way to a server that can be shut.
type door struct {
	listener net.Listener
	target   string

	mu   sync.Mutex
	shut bool
	open []net.Conn
}

func newDoor(t *testing.T, target string) *door {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d := &door{listener: listener, target: target}
	t.Cleanup(func() { _ = listener.Close(); d.setShut(true) })
	go d.serve()
	return d
}

func (d *door) serve() {
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return
		}
		go d.pass(conn)
	}
}

func (d *door) pass(in net.Conn) {
	out, err := net.Dial("tcp", d.target)
	if err != nil || !d.keep(in, out) {
		_ = in.Close()
		return
	}
	go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
	_, _ = io.Copy(in, out)
	_ = in.Close()
}

func (d *door) keep(conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return false
	}
	d.open = append(d.open, conns...)
	return true
}

// setShut ends what goes through the door, and lets nothing more through.
func (d *door) setShut(shut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = shut
	if shut {
		for _, conn := range d.open {
			_ = conn.Close()
		}
		d.open = nil
	}
}

func TestWhenTemporalIsAwayEventsWaitInKurrentDBAndNoneIsParked(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	door := newDoor(t, temporalAddress)
	temporal, err := client.DialContext(t.Context(), client.Options{HostPort: door.listener.Addr().String(), Logger: quiet{}})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	b.bridge.temporal = temporal
	b.bridge.patience = 500 * time.Millisecond
	b.run()
	require.Eventually(t, b.bridge.joined.Load, 30*time.Second, 10*time.Millisecond)

	door.setShut(true)
	const orders = 20
	for range orders {
		id := newOrderID()
		b.append(id, placedEvent(id))
	}
	require.Eventually(t, func() bool { return !b.bridge.joined.Load() }, 30*time.Second, 10*time.Millisecond,
		"the bridge gives back what it cannot hand on")
	door.setShut(false)
	b.awaitCounts(map[result]int{resultStarted: orders, resultParked: 0})
	require.Empty(t, b.parked())
}

func TestWhenKurrentDBIsRestartedTheBridgeGoesOn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := t.TempDir()
	server, err := kurrentsim.Start(kurrentsim.Options{DataDir: dir})
	require.NoError(t, err)
	b.use(server.URL())
	before := newOrderID()
	b.append(before, placedEvent(before))
	b.run()
	b.awaitCounts(map[result]int{resultStarted: 1})

	require.NoError(t, server.Stop(context.Background()))
	require.Eventually(t, func() bool { return !b.bridge.joined.Load() }, 30*time.Second, 10*time.Millisecond)
	server, err = kurrentsim.Start(kurrentsim.Options{DataDir: dir, Listen: server.Addr()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	after := newOrderID()
	require.Eventually(t, func() bool { return b.events.Ping(t.Context()) == nil }, 30*time.Second, 10*time.Millisecond)
	b.append(after, placedEvent(after))
	b.awaitCounts(map[result]int{resultStarted: 2, resultParked: 0})
}

func TestABridgeThatStopsFinishesWhatItTook(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const orders = 200
	for range orders {
		id := newOrderID()
		b.append(id, placedEvent(id))
	}
	stop := b.run()
	require.Eventually(t, func() bool { return b.count(resultStarted) > 0 }, 30*time.Second, time.Millisecond)
	stop()
	require.Less(t, b.count(resultStarted), orders, "it stops taking events in before it has taken all")
	b.run()
	b.awaitCounts(map[result]int{resultStarted: orders, resultDuplicate: 0})
}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
