package faultproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"time"
)

const (
	dialTimeout = 5 * time.Second
	listenPause = 10 * time.Millisecond // while the port is not free
)

// connection is one connection through the proxy.
type connection struct {
	client, server net.Conn
	stalled        [2]bool
	cut            bool
}

// serve accepts connections until the proxy is closed.
func (p *Proxy) serve(listener net.Listener) {
	for ; listener != nil; listener = p.listenAgain() {
		for {
			client, err := listener.Accept()
			if err != nil {
				break
			}
			p.connect(client)
		}
	}
}

// listenAgain listens once connections are no longer refused. It returns nil if the proxy
// is closed. While another process is being started, that process may hold a copy of the
// old listener for a moment.
func (p *Proxy) listenAgain() net.Listener {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.closed {
		if p.refused {
			p.changed.Wait()
			continue
		}
		listener, err := net.Listen("tcp", p.addr)
		if err == nil {
			p.listener = listener
			return listener
		}
		p.mu.Unlock()
		<-time.After(listenPause)
		p.mu.Lock()
	}
	return nil
}

func (p *Proxy) destination() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.target
}

// connect connects a client to the server and forwards in both directions.
func (p *Proxy) connect(client net.Conn) {
	server, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(context.Background(), "tcp", p.destination())
	if err != nil {
		_ = client.Close()
		return
	}
	c := &connection{client: client, server: server}
	p.set(func() {
		p.accepted++
		p.open[c] = struct{}{}
		c.stalled = p.stalled
		switch {
		case p.closed:
			c.end()
		case p.refused, p.reset:
			c.reset()
		}
	})
	p.done.Go(func() { p.forward(c, Upstream, server, client) })
	p.done.Go(func() { p.forward(c, Downstream, client, server) })
}

// forward copies bytes in one direction until either end is gone, and then closes the
// other direction too.
func (p *Proxy) forward(c *connection, direction Direction, to io.Writer, from io.Reader) {
	defer p.set(func() {
		c.end()
		delete(p.open, c)
	})
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if p.admit(c, direction, buffer[:n]) && n > 0 {
			_, writeErr := to.Write(buffer[:n])
			err = errors.Join(err, writeErr)
		}
		if err != nil || p.isCut(c) {
			return
		}
	}
}

// admit waits while the connection is stalled in the direction, and reports whether the
// bytes may be forwarded.
func (p *Proxy) admit(c *connection, direction Direction, bytes []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read[direction] += int64(len(bytes))
	if direction == Downstream && len(bytes) > 0 {
		p.inspect(c, bytes)
	}
	for c.stalled[direction] && !c.cut {
		p.changed.Wait()
	}
	return !c.cut
}

// inspect drops or stalls a response that a test waits for. The caller must hold the
// proxy's lock.
func (p *Proxy) inspect(c *connection, response []byte) {
	if p.drop != nil && p.drop(response) {
		p.drop = nil
		p.dropped++
		c.end()
	}
	if p.stall != nil && p.stall(response) {
		p.stall = nil
		p.stallAll(Downstream)
	}
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

// reset closes both sides with a TCP reset. The caller must hold the proxy's lock.
func (c *connection) reset() {
	for _, side := range []net.Conn{c.client, c.server} {
		_ = side.(*net.TCPConn).SetLinger(0)
	}
	c.end()
}
