// Package devservertest provides tests with servers and with what they need around them:
// one PostgreSQL cluster and one Temporal server for all tests of a package, a database
// with the product's schema for each test, ports reserved until the test ends,
// certificates, and the peak memory of a process. Package devserver starts the servers.
package devservertest

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
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

// PeakMiB reads the largest resident size that a running process has had, from /proc. The
// usage that the system reports after the end would do, except that it includes the peak
// of the process that started it.
func PeakMiB(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	var kib float64
	if _, err := fmt.Sscan(line, &kib); err != nil {
		return 0, fmt.Errorf("peak of process %d: %w", pid, err)
	}
	return kib / 1024, nil
}
