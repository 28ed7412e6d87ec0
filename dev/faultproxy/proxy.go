// Package faultproxy is a TCP proxy between a client and a server in tests. It stalls
// traffic, resumes it, and cuts connections at an exact moment, such as after a
// transaction has committed and before its response arrives. It knows no protocol: the
// test decides which bytes to act on.
package faultproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Direction of the traffic through the proxy.
type Direction int

// Upstream is from the client to the server; Downstream is from the server to the client.
const (
	Upstream Direction = iota
	Downstream
)

const dialTimeout = 5 * time.Second

// Proxy forwards connections until Close. Its methods are safe for concurrent use.
type Proxy struct {
	listener net.Listener
	done     sync.WaitGroup

	mu      sync.Mutex
	target  string     // of new connections
	changed *sync.Cond // stalled, cut or closed
	stalled [2]bool
	read    [2]int64 // bytes read so far, stalled ones included
	drop    func(response []byte) bool
	stall   func(response []byte) bool
	dropped int
	open    map[*connection]struct{}
	closed  bool
}

// connection is one connection through the proxy.
type connection struct {
	client, server net.Conn
	cut            bool
}

// Start listens on a free port of the loopback interface and forwards to a server at
// host:port.
func Start(target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, listener: listener, open: map[*connection]struct{}{}}
	p.changed = sync.NewCond(&p.mu)
	p.done.Add(1)
	go p.serve()
	return p, nil
}

// Addr returns host:port for clients.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// PointTo sends new connections to another server at host:port, like a DNS name whose
// address changes. Open connections stay.
func (p *Proxy) PointTo(target string) { p.set(func() { p.target = target }) }

// Stall stops forwarding in a direction until Resume.
func (p *Proxy) Stall(direction Direction) { p.set(func() { p.stalled[direction] = true }) }

// Resume forwards everything again.
func (p *Proxy) Resume() { p.set(func() { p.stalled, p.stall = [2]bool{}, nil }) }

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
	err := p.listener.Close()
	p.set(func() { p.closed = true })
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

func (p *Proxy) destination() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.target
}

func (p *Proxy) serve() {
	defer p.done.Done()
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(context.Background(), "tcp", p.destination())
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &connection{client: client, server: server}
		p.set(func() {
			p.open[c] = struct{}{}
			if p.closed {
				c.end()
			}
		})
		p.done.Add(2)
		go p.forward(c, Upstream, server, client)
		go p.forward(c, Downstream, client, server)
	}
}

// forward copies bytes in one direction until either end is gone, and then closes the
// other direction too.
func (p *Proxy) forward(c *connection, direction Direction, to io.Writer, from io.Reader) {
	defer p.done.Done()
	defer p.set(func() {
		c.end()
		delete(p.open, c)
	})
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && p.admit(c, direction, buffer[:n]) {
			_, writeErr := to.Write(buffer[:n])
			err = errors.Join(err, writeErr)
		}
		if err != nil || p.isCut(c) {
			return
		}
	}
}

// admit waits while the direction is stalled, and reports whether the bytes may be
// forwarded.
func (p *Proxy) admit(c *connection, direction Direction, bytes []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read[direction] += int64(len(bytes))
	if direction == Downstream && p.drop != nil && p.drop(bytes) {
		p.drop = nil
		p.dropped++
		c.end()
	}
	if direction == Downstream && p.stall != nil && p.stall(bytes) {
		p.stall = nil
		p.stalled[Downstream] = true
	}
	for p.stalled[direction] && !c.cut && !p.closed {
		p.changed.Wait()
	}
	return !c.cut
}

func (p *Proxy) isCut(c *connection) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return c.cut
}

// end closes both sides. The caller must hold the proxy's lock.
func (c *connection) end() {
	c.cut = true
	_ = c.client.Close()
	_ = c.server.Close()
}
