package rig

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// dialTimeout bounds connecting to the server behind an alias.
const dialTimeout = 5 * time.Second

// alias is an address whose target server can be changed, as with a DNS name or a virtual
// address. It is safe for concurrent use.
type alias struct {
	listener net.Listener
	serving  sync.WaitGroup

	mu          sync.Mutex
	target      string
	connections map[net.Conn]struct{} // both ends of each
	closed      bool
}

// newAlias listens on an address and forwards to a target.
func newAlias(listen, target string) (*alias, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	a := &alias{listener: listener, target: target, connections: map[net.Conn]struct{}{}}
	a.serving.Go(a.serve)
	return a, nil
}

// Addr returns the host:port of the alias.
func (a *alias) Addr() string { return a.listener.Addr().String() }

// Lead forwards new connections to another server. Open connections stay where they are.
func (a *alias) Lead(target string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.target = target
}

// Cut closes all open connections.
func (a *alias) Cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.connections {
		_ = c.Close() // its copy ends either way
	}
	clear(a.connections)
}

// Close refuses new connections and closes the open ones. When it returns nothing is
// forwarded any more.
func (a *alias) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	_ = a.listener.Close() // it was open until now
	a.Cut()
	a.serving.Wait()
}

func (a *alias) serve() {
	for {
		client, err := a.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // only this connection fails
		}
		a.serving.Go(func() { a.connect(client) })
	}
}

// connect copies bytes between the client and the target server until either side ends.
func (a *alias) connect(client net.Conn) {
	defer func() { _ = client.Close() }()
	a.mu.Lock()
	target := a.target
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	if !a.keep(client, server) {
		return
	}
	defer a.forget(client, server)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	_, _ = io.Copy(server, client)
	_ = server.Close()
	back.Wait()
}

// keep reports whether the connection may be kept. It may not once the alias is closed.
func (a *alias) keep(ends ...net.Conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	for _, c := range ends {
		a.connections[c] = struct{}{}
	}
	return true
}

func (a *alias) forget(ends ...net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range ends {
		delete(a.connections, c)
	}
}
