// Package door stands between a client and a server in tests. It owns a TCP port whose traffic can be held, let go, and cut
// at an exact moment, such as after a transaction has committed and before its answer arrives. It knows no protocol: what
// to cut at is left to the test.
package door

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Direction is one way through the door.
type Direction int

// In is to the server, Back is its answers.
const (
	In Direction = iota
	Back
)

const dialTimeout = 5 * time.Second

// Door is open until Close. Its methods may be called concurrently.
type Door struct {
	listener net.Listener
	done     sync.WaitGroup

	mu      sync.Mutex
	target  string     // of new connections
	changed *sync.Cond // held, cut or closed
	held    [2]bool
	passed  [2]int64 // bytes that came to the door, also those it holds
	lose    func(answer []byte) bool
	keep    func(answer []byte) bool
	lost    int
	open    map[*passage]struct{}
	closed  bool
}

// passage is one connection through the door.
type passage struct {
	client, server net.Conn
	cut            bool
}

// Open makes a door to a server at host:port.
func Open(target string) (*Door, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &Door{target: target, listener: listener, open: map[*passage]struct{}{}}
	d.changed = sync.NewCond(&d.mu)
	d.done.Add(1)
	go d.serve()
	return d, nil
}

// Addr is host:port of the client's side.
func (d *Door) Addr() string { return d.listener.Addr().String() }

// PointTo leads new connections to another server at host:port, as a name does whose address changes. Those there are stay.
func (d *Door) PointTo(target string) { d.set(func() { d.target = target }) }

// Hold keeps what comes in a direction until Release.
func (d *Door) Hold(way Direction) { d.set(func() { d.held[way] = true }) }

// Release lets everything go on.
func (d *Door) Release() { d.set(func() { d.held, d.keep = [2]bool{}, nil }) }

// LoseAnswer drops the next answer that this is true of, and cuts its connection. An answer is what one read gives.
func (d *Door) LoseAnswer(when func(answer []byte) bool) { d.set(func() { d.lose = when }) }

// HoldAnswer keeps the next answer that this is true of, and every later one, until Release.
func (d *Door) HoldAnswer(when func(answer []byte) bool) { d.set(func() { d.keep = when }) }

// Lost is how many answers were dropped.
func (d *Door) Lost() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost
}

// Arrived is how many bytes came to the door in a direction so far, those it holds included.
func (d *Door) Arrived(way Direction) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed[way]
}

// Cut ends every connection there is, with what the door holds of it. New ones pass.
func (d *Door) Cut() {
	d.set(func() {
		for p := range d.open {
			p.end()
		}
	})
}

// Close ends everything and waits for it.
func (d *Door) Close() error {
	err := d.listener.Close()
	d.set(func() { d.closed = true })
	d.Cut()
	d.done.Wait()
	return err
}

func (d *Door) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
	d.changed.Broadcast()
}

func (d *Door) destination() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.target
}

func (d *Door) serve() {
	defer d.done.Done()
	for {
		client, err := d.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(context.Background(), "tcp", d.destination())
		if err != nil {
			_ = client.Close()
			continue
		}
		p := &passage{client: client, server: server}
		d.set(func() {
			d.open[p] = struct{}{}
			if d.closed {
				p.end()
			}
		})
		d.done.Add(2)
		go d.carry(p, In, server, client)
		go d.carry(p, Back, client, server)
	}
}

// carry moves bytes one way until either end is gone, and then ends the other way, too.
func (d *Door) carry(p *passage, way Direction, to io.Writer, from io.Reader) {
	defer d.done.Done()
	defer d.set(func() {
		p.end()
		delete(d.open, p)
	})
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && d.pass(p, way, buffer[:n]) {
			_, writeErr := to.Write(buffer[:n])
			err = errors.Join(err, writeErr)
		}
		if err != nil || d.isCut(p) {
			return
		}
	}
}

// pass waits while the way is held, and reports whether the bytes may go on.
func (d *Door) pass(p *passage, way Direction, bytes []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.passed[way] += int64(len(bytes))
	if way == Back && d.lose != nil && d.lose(bytes) {
		d.lose = nil
		d.lost++
		p.end()
	}
	if way == Back && d.keep != nil && d.keep(bytes) {
		d.keep = nil
		d.held[Back] = true
	}
	for d.held[way] && !p.cut && !d.closed {
		d.changed.Wait()
	}
	return !p.cut
}

func (d *Door) isCut(p *passage) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return p.cut
}

// end closes both sides. The caller holds the door's lock.
func (p *passage) end() {
	p.cut = true
	_ = p.client.Close()
	_ = p.server.Close()
}
