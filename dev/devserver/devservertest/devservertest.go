// Package devservertest provides tests with servers and with what they need around them:
// one PostgreSQL cluster and one Temporal server for all tests of a package, a database
// with the product's schema for each test, ports reserved until the test ends, and
// certificates. Package devserver starts the servers.
package devservertest

import (
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

// Port reserves a port of the loopback interface until the test ends, even while no
// process listens on it. Any connection could take one that the system has assigned.
func Port(t testing.TB) int {
	t.Helper()
	ports, err := devserver.ClaimPorts()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ports.Close()) })
	port, err := ports.Next()
	require.NoError(t, err)
	return port
}

// Address returns 127.0.0.1 with such a port.
func Address(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(Port(t)))
}
