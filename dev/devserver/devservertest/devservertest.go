// Package devservertest gives tests what they need around the servers of devserver: ports that are theirs until they end,
// certificates, and how much memory a process has had. Starting servers is left to devserver.
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

// Port gives a port of the loopback interface that nobody else gets until the test ends, also while nobody listens there: any
// connection could take one that the system has given out.
func Port(t testing.TB) int {
	t.Helper()
	ports, err := devserver.ClaimPorts()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ports.Close()) })
	port, err := ports.Next()
	require.NoError(t, err)
	return port
}

// Address is that of such a port.
func Address(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(Port(t)))
}

// PeakMiB reads the largest resident size that a running process has had, from /proc. The usage that the system tells after
// the end would do as well, but for counting what the process that started it had.
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
