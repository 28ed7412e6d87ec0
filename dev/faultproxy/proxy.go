// Package faultproxy puts faults between a client and a server in tests.
//
// [Proxy] forwards TCP connections and knows no protocol: it stalls traffic, resets and
// refuses connections, and cuts them at an exact moment, such as after a transaction has
// committed and before its response arrives. The test decides which bytes to act on.
// [Relay] forwards gRPC calls, and lets the test handle the calls of a method.
package faultproxy

import (
	"net"
	"sync"
)

// Direction of the traffic through the proxy.
type Direction int

// Upstream is from the client to the server; Downstream is from the server to the client.
const (
	Upstream Direction = iota
	Downstream
)

// Proxy forwards connections until Close. Its methods are safe for concurrent use.
type Proxy struct {
	addr string
	done sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	target   string     // of new connections
	changed  *sync.Cond // a fault, a cut or the end
	stalled  [2]bool    // new connections
	refused  bool       // it does not listen
	reset    bool       // new connections
	read     [2]int64   // bytes read so far, stalled ones included
	accepted int
	drop     func(response []byte) bool
	stall    func(response []byte) bool
	dropped  int
	open     map[*connection]struct{}
	closed   bool
}

// Start listens on a free port of the loopback interface and forwards to a server at
// host:port.
func Start(target string) (*Proxy, error) { return StartAt("127.0.0.1:0", target) }

// StartAt is Start on a given port, which must be reserved for the proxy if it refuses
// connections.
func StartAt(listen, target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	p := &Proxy{addr: listener.Addr().String(), listener: listener, target: target, open: map[*connection]struct{}{}}
	p.changed = sync.NewCond(&p.mu)
	p.done.Go(func() { p.serve(listener) })
	return p, nil
}

// Addr returns host:port for clients.
func (p *Proxy) Addr() string { return p.addr }

// PointTo sends new connections to another server at host:port, like a DNS name whose
// address changes. Open connections stay.
func (p *Proxy) PointTo(target string) { p.set(func() { p.target = target }) }

// Stall stops forwarding in a direction, or in both if none is given, until Resume. That
// includes the end of a connection.
func (p *Proxy) Stall(directions ...Direction) {
	p.set(func() {
		for _, direction := range bothIfNone(directions) {
			p.stallAll(direction)
		}
	})
}

// StallOpen stalls the open connections in both directions until Resume, but not new
// ones, like a firewall that lost its state.
func (p *Proxy) StallOpen() {
	p.set(func() {
		for c := range p.open {
			c.stalled = [2]bool{true, true}
		}
	})
}

// Reset resets every open connection, and new ones until Resume.
func (p *Proxy) Reset() {
	p.set(func() {
		p.reset = true
		p.resetAll()
	})
}

// Refuse resets every open connection, and does not listen until Resume.
func (p *Proxy) Refuse() {
	p.set(func() {
		p.refused = true
		_ = p.listener.Close()
		p.resetAll()
	})
}

// Resume forwards everything again.
func (p *Proxy) Resume() {
	p.set(func() {
		p.stalled, p.stall, p.reset, p.refused = [2]bool{}, nil, false, false
		for c := range p.open {
			c.stalled = [2]bool{}
		}
	})
}

// DropResponse drops the next response for which when returns true, and cuts its
// connection. A response is what one read returns.
func (p *Proxy) DropResponse(when func(response []byte) bool) { p.set(func() { p.drop = when }) }

// StallResponse stalls the next response for which when returns true, and every later
// one, until Resume.
func (p *Proxy) StallResponse(when func(response []byte) bool) { p.set(func() { p.stall = when }) }

// Dropped returns how many responses were dropped.
func (p *Proxy) Dropped() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropped
}

// Received returns how many bytes the proxy has read in a direction so far, stalled ones
// included.
func (p *Proxy) Received(direction Direction) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.read[direction]
}

// Accepted returns how many connections were accepted so far, including those that were
// reset.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Open returns how many connections are open.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// Cut closes every open connection and discards what is stalled on it. New connections
// are forwarded.
func (p *Proxy) Cut() {
	p.set(func() {
		for c := range p.open {
			c.end()
		}
	})
}

// Close closes the listener and every connection, and waits until both have ended.
func (p *Proxy) Close() error {
	var err error
	p.set(func() {
		if p.closed = true; !p.refused {
			err = p.listener.Close()
		}
	})
	p.Cut()
	p.done.Wait()
	return err
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.changed.Broadcast()
}

func bothIfNone(directions []Direction) []Direction {
	if len(directions) == 0 {
		return []Direction{Upstream, Downstream}
	}
	return directions
}

// stallAll stalls open and new connections. The caller must hold the proxy's lock.
func (p *Proxy) stallAll(direction Direction) {
	p.stalled[direction] = true
	for c := range p.open {
		c.stalled[direction] = true
	}
}

// resetAll resets the open connections. The caller must hold the proxy's lock.
func (p *Proxy) resetAll() {
	for c := range p.open {
		c.reset()
	}
}
