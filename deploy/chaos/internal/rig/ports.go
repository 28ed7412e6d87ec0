package rig

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are looked for below the range that systems give to outgoing connections: a process that is down for a moment must
// find its port again, and any connection could take one of those.
const (
	firstPort = 20_000
	lastPort  = 32_000
)

// ports hands out free ports, none twice.
type ports map[int]bool

func (used ports) next() (int, error) {
	const attempts = 1000
	for range attempts {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if !used[port] && free(port) {
			used[port] = true
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port: none of %d tried is", attempts)
}

func free(port int) bool {
	listener, err := net.Listen("tcp", loopback(port))
	return err == nil && listener.Close() == nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
