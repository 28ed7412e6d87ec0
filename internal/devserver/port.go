package devserver

import (
	"fmt"
	"net"
	"strconv"
)

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
