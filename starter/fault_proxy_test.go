package main

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
)

// proxyState is how a proxy treats connections.
type proxyState string

const (
	passing proxyState = "passable"
	refused proxyState = "refused" // does not listen, and resets open connections
	silent  proxyState = "silent"  // stalls open connections and new ones
	reset   proxyState = "reset"   // resets open connections and new ones
	stale   proxyState = "stale"   // stalls open connections but not new ones, like a firewall that lost its state
)

// faultProxy is a TCP proxy to a server that injects faults.
type faultProxy struct {
	t        *testing.T
	addr     string
	target   string
	running  sync.WaitGroup
	mu       sync.Mutex
	changed  *sync.Cond
	is       proxyState
	listener net.Listener
	conns    map[*proxyConn]struct{}
	accepted int
}

// proxyConn is one proxied connection, with both its ends.
type proxyConn struct {
	in, out *net.TCPConn // out is nil until the server is dialed
	stalled bool
	ended   bool
}

func newFaultProxy(t *testing.T, target string) *faultProxy {
	t.Helper()
	r := &faultProxy{t: t, addr: devservertest.Address(t), target: target, is: passing, conns: map[*proxyConn]struct{}{}}
	r.changed = sync.NewCond(&r.mu)
	r.listen()
	t.Cleanup(func() {
		r.setState(refused)
		r.running.Wait()
	})
	return r
}

func (r *faultProxy) listen() {
	listener, err := net.Listen("tcp", r.addr)
	require.NoError(r.t, err)
	r.listener = listener
	r.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.running.Go(func() { r.serve(conn.(*net.TCPConn)) })
		}
	})
}

// setState changes how the proxy treats connections from now on.
func (r *faultProxy) setState(is proxyState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.is
	r.is = is
	switch {
	case was == refused && is != refused:
		r.listen()
	case is == refused:
		_ = r.listener.Close()
	}
	for l := range r.conns {
		l.stalled = is == silent || is == stale
		if is == refused || is == reset {
			l.end()
		}
	}
	r.changed.Broadcast()
}

// end resets both ends.
func (l *proxyConn) end() {
	l.ended = true
	for _, conn := range []*net.TCPConn{l.in, l.out} {
		if conn != nil {
			_ = conn.SetLinger(0)
			_ = conn.Close()
		}
	}
}

func (r *faultProxy) serve(in *net.TCPConn) {
	l := &proxyConn{in: in}
	r.mu.Lock()
	r.accepted++
	r.conns[l] = struct{}{}
	l.stalled = r.is == silent
	if r.is == reset || r.is == refused {
		l.end()
	}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		l.end()
		delete(r.conns, l)
	}()
	if !r.waitWhileStalled(l) {
		return
	}
	out, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	r.mu.Lock()
	l.out = out.(*net.TCPConn)
	if l.ended {
		l.end()
	}
	r.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { r.forward(l, l.out, in) })
	both.Go(func() { r.forward(l, in, l.out) })
	both.Wait()
}

func (r *faultProxy) forward(l *proxyConn, to, from *net.TCPConn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !r.waitWhileStalled(l) {
			return
		}
		if _, writeErr := to.Write(buffer[:n]); writeErr != nil || err != nil {
			_, _ = to.Close(), from.Close()
			return
		}
	}
}

// waitWhileStalled waits while the connection is stalled, and returns false once it has
// ended.
func (r *faultProxy) waitWhileStalled(l *proxyConn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l.stalled && !l.ended {
		r.changed.Wait()
	}
	return !l.ended
}

// connections returns how many connections were accepted. Refused ones are not counted.
func (r *faultProxy) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accepted
}
