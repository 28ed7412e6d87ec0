package rig

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// dialTimeout bounds reaching the server that a name leads to.
const dialTimeout = 5 * time.Second

// alias is an address that leads clients to one server now and to another later, as a DNS name or a virtual address does. Its
// methods are safe for concurrent use.
type alias struct {
	listener net.Listener
	serving  sync.WaitGroup

	mu          sync.Mutex
	target      string
	connections map[net.Conn]struct{} // both ends of each
	closed      bool
}

// newAlias listens at an address and leads to a target.
func newAlias(listen, target string) (*alias, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	a := &alias{listener: listener, target: target, connections: map[net.Conn]struct{}{}}
	a.serving.Go(a.serve)
	return a, nil
}

// Addr returns host:port of the name.
func (a *alias) Addr() string { return a.listener.Addr().String() }

// Lead has new connections go to another server. Those that are open stay where they are.
func (a *alias) Lead(target string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.target = target
}

// Cut ends the connections that are open.
func (a *alias) Cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.connections {
		_ = c.Close() // its copy ends with an error or without one
	}
	clear(a.connections)
}

// Close refuses new connections and ends those that are open. Nothing passes any more when it returns.
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
			continue // this connection alone
		}
		a.serving.Go(func() { a.connect(client) })
	}
}

// connect passes a client's bytes to the server that the name leads to, and the answers back, until either ends.
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

// keep reports whether the connection may live: none does once the name is closed.
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
