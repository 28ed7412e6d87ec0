package main

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
)

// condition is what a road to a server is like.
type condition string

const (
	passable condition = "passable"
	refused  condition = "refused" // nobody listens, and what was open is reset
	silent   condition = "silent"  // what is open says nothing more, and what connects is never answered
	reset    condition = "reset"   // what is open and what connects is reset
	stale    condition = "stale"   // what is open says nothing more, and what connects works: a forgetful firewall
)

// road is a way to a server, on which things happen.
type road struct {
	t        *testing.T
	addr     string
	target   string
	running  sync.WaitGroup
	mu       sync.Mutex
	changed  *sync.Cond
	is       condition
	listener net.Listener
	lanes    map[*lane]struct{}
	accepted int
}

// lane is one connection on a road, with its other half.
type lane struct {
	in, out *net.TCPConn // out is nil until it leads somewhere
	stuck   bool
	ended   bool
}

func newRoad(t *testing.T, target string) *road {
	t.Helper()
	r := &road{t: t, addr: devservertest.Address(t), target: target, is: passable, lanes: map[*lane]struct{}{}}
	r.changed = sync.NewCond(&r.mu)
	r.listen()
	t.Cleanup(func() {
		r.become(refused)
		r.running.Wait()
	})
	return r
}

func (r *road) listen() {
	listener, err := net.Listen("tcp", r.addr)
	require.NoError(r.t, err)
	r.listener = listener
	r.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.running.Go(func() { r.travel(conn.(*net.TCPConn)) })
		}
	})
}

// become changes what the road is like from now on.
func (r *road) become(is condition) {
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
	for l := range r.lanes {
		l.stuck = is == silent || is == stale
		if is == refused || is == reset {
			l.end()
		}
	}
	r.changed.Broadcast()
}

// end resets both halves.
func (l *lane) end() {
	l.ended = true
	for _, conn := range []*net.TCPConn{l.in, l.out} {
		if conn != nil {
			_ = conn.SetLinger(0)
			_ = conn.Close()
		}
	}
}

func (r *road) travel(in *net.TCPConn) {
	l := &lane{in: in}
	r.mu.Lock()
	r.accepted++
	r.lanes[l] = struct{}{}
	l.stuck = r.is == silent
	if r.is == reset || r.is == refused {
		l.end()
	}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		l.end()
		delete(r.lanes, l)
	}()
	if !r.passes(l) {
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
	both.Go(func() { r.carry(l, l.out, in) })
	both.Go(func() { r.carry(l, in, l.out) })
	both.Wait()
}

func (r *road) carry(l *lane, to, from *net.TCPConn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !r.passes(l) {
			return
		}
		if _, writeErr := to.Write(buffer[:n]); writeErr != nil || err != nil {
			_, _ = to.Close(), from.Close()
			return
		}
	}
}

// passes waits while the lane is stuck, and is false when it has ended.
func (r *road) passes(l *lane) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l.stuck && !l.ended {
		r.changed.Wait()
	}
	return !l.ended
}

// connections is how many were tried and seen here: those that were refused are not.
func (r *road) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accepted
}
