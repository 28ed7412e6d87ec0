package devserver

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Blocks lie below the range that systems use for outgoing connections. Any connection
// could take a port from that range between looking for it and listening on it, or while
// its process is down for a moment.
const (
	firstPort = 20_000
	lastPort  = 32_000
	blockSize = 80
)

// Ports is a block of TCP ports of the loopback interface reserved for its holder. The
// holder listens on the first of them until Close, so that processes looking for ports at
// the same time leave the rest alone.
type Ports struct {
	claim net.Listener
	last  int // the port returned last
}

// ClaimPorts reserves a block that no other process has claimed.
func ClaimPorts() (*Ports, error) {
	for _, n := range rand.Perm((lastPort - firstPort) / blockSize) {
		first := firstPort + n*blockSize
		if claim, err := net.Listen("tcp", Loopback(first)); err == nil {
			return &Ports{claim: claim, last: first}, nil
		}
	}
	return nil, fmt.Errorf("find free ports: no block of %d between %d and %d is free", blockSize, firstPort, lastPort)
}

// Next returns a port that no process listens on. It returns each port only once. A block
// has at most 79.
func (p *Ports) Next() (int, error) {
	end := p.claim.Addr().(*net.TCPAddr).Port + blockSize
	for p.last < end-1 {
		p.last++
		if requireFree(p.last) == nil {
			return p.last, nil
		}
	}
	return 0, fmt.Errorf("find a free port: those from %d to %d are given out or taken", end-blockSize, end-1)
}

// Close releases the block.
func (p *Ports) Close() error { return p.claim.Close() }

// Loopback returns the address of a port of the loopback interface.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// FreePort returns a TCP port of the loopback interface that no process listened on a
// moment ago. It may be taken before it is used: the caller must handle a server that
// fails to start on it.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// requireFree returns a one-line error if a port is taken, which a server's own log
// reports in several lines.
func requireFree(port int) error {
	listener, err := net.Listen("tcp", Loopback(port))
	if err != nil {
		return fmt.Errorf("port %d of 127.0.0.1 cannot be used, choose another or stop what holds it: %w", port, err)
	}
	return listener.Close()
}
