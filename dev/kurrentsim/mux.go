package kurrentsim

import (
	"bufio"
	"errors"
	"net"
	"sync"
	"time"
)

// sniffTimeout is how long the server waits for the first bytes of a new connection,
// which identify its protocol.
const sniffTimeout = 10 * time.Second

// acceptPause keeps a failing accept from spinning.
const acceptPause = 50 * time.Millisecond

// http2Preface begins every HTTP/2 connection. Four bytes are enough to distinguish it
// from a request line.
const http2Preface = "PRI "

// mux shares one port between gRPC and plain HTTP. It inspects each connection once, when
// it begins. gRPC then runs on its native transport, which is much faster than serving it
// through net/http.
type mux struct {
	listener net.Listener
	grpc     *muxListener
	http     *muxListener
	running  sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	sniffing map[net.Conn]struct{} // connections whose protocol is not known yet
}

func newMux(listener net.Listener) *mux {
	return &mux{
		listener: listener,
		grpc:     newMuxListener(listener.Addr()),
		http:     newMuxListener(listener.Addr()),
		sniffing: map[net.Conn]struct{}{},
	}
}

func (m *mux) start() { m.running.Go(m.serve) }

func (m *mux) serve() {
	for {
		conn, err := m.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // most likely out of file descriptors, which is temporary
			m.pause()
		case m.track(conn):
			m.running.Go(func() { m.route(conn) })
		}
	}
}

func (m *mux) pause() {
	select {
	case <-time.After(acceptPause):
	case <-m.grpc.closed:
	}
}

// track registers a new connection. It reports false if the mux has been closed in the
// meantime.
func (m *mux) track(conn net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		_ = conn.Close()
		return false
	}
	m.sniffing[conn] = struct{}{}
	return true
}

func (m *mux) untrack(conn net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sniffing, conn)
}

func (m *mux) route(conn net.Conn) {
	defer m.untrack(conn)
	reader := bufio.NewReaderSize(conn, 4<<10)
	_ = conn.SetReadDeadline(time.Now().Add(sniffTimeout))
	first, err := reader.Peek(len(http2Preface))
	_ = conn.SetReadDeadline(time.Time{})
	if err != nil {
		_ = conn.Close()
		return
	}
	target := m.http
	if string(first) == http2Preface {
		target = m.grpc
	}
	target.offer(&sniffedConn{Conn: conn, reader: reader})
}

// close stops accepting and closes connections whose protocol is not known yet.
func (m *mux) close() error {
	err := errors.Join(m.listener.Close(), m.grpc.Close(), m.http.Close())
	m.mu.Lock()
	m.closed = true
	for conn := range m.sniffing {
		_ = conn.Close()
	}
	m.mu.Unlock()
	m.running.Wait()
	return err
}

// sniffedConn replays the bytes that were read ahead.
type sniffedConn struct {
	net.Conn
	reader *bufio.Reader
}

func (c *sniffedConn) Read(p []byte) (int, error) { return c.reader.Read(p) }

// muxListener returns the connections of one protocol.
type muxListener struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMuxListener(addr net.Addr) *muxListener {
	return &muxListener{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *muxListener) offer(conn net.Conn) {
	select {
	case l.conns <- conn:
	case <-l.closed:
		_ = conn.Close()
	}
}

// Accept returns the next connection, or net.ErrClosed after Close.
func (l *muxListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close makes Accept return.
func (l *muxListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the shared address.
func (l *muxListener) Addr() net.Addr { return l.addr }
