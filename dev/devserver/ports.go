package devserver

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Blocks lie below the range that systems give to outgoing connections: between looking for a port and listening to it,
// or while its process is down for a moment, any connection could take one of those.
const (
	firstPort = 20_000
	lastPort  = 32_000
	blockSize = 48
)

// Ports is a block of TCP ports of the loopback interface that its holder has for itself. It listens to the first of them
// until it is closed, which is how others, looking for ports at the same moment, know to stay away from the rest.
type Ports struct {
	claim net.Listener
	last  int // what was given out last
}

// ClaimPorts finds a block that nobody else has claimed.
func ClaimPorts() (*Ports, error) {
	for _, n := range rand.Perm((lastPort - firstPort) / blockSize) {
		first := firstPort + n*blockSize
		if claim, err := net.Listen("tcp", loopback(first)); err == nil {
			return &Ports{claim: claim, last: first}, nil
		}
	}
	return nil, fmt.Errorf("find free ports: no block of %d between %d and %d is free", blockSize, firstPort, lastPort)
}

// Next gives out a port that nobody listens to, none twice. A block has 47 at the most.
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

// Close gives the block back.
func (p *Ports) Close() error { return p.claim.Close() }

// FreePort names a TCP port of the loopback interface that nobody listened on a moment ago. Whoever uses it may still
// find it taken: a server started on it needs an answer to that.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// requireFree says in one line that a port cannot be had, which a server's own log says in several.
func requireFree(port int) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("port %d of 127.0.0.1 cannot be used, choose another or stop what holds it: %w", port, err)
	}
	return listener.Close()
}
