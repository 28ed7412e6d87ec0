package devserver_test

import (
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

func TestPorts_HoldersNeverShare(t *testing.T) {
	t.Parallel()
	holders := make([]*devserver.Ports, 40) // with this many, some would share one of 12,000 ports by chance
	for i := range holders {
		ports, err := devserver.ClaimPorts()
		require.NoError(t, err)
		defer func() { require.NoError(t, ports.Close()) }()
		holders[i] = ports
	}
	seen := map[int]bool{}
	for _, ports := range holders {
		for range 20 {
			port, err := ports.Next()
			require.NoError(t, err)
			require.False(t, seen[port], "port %d", port)
			seen[port] = true
		}
	}
}

func TestPorts_SkipsPortsInUseUntilTheEnd(t *testing.T) {
	t.Parallel()
	ports, err := devserver.ClaimPorts()
	require.NoError(t, err)
	defer func() { require.NoError(t, ports.Close()) }()
	first, err := ports.Next()
	require.NoError(t, err)
	taken, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+1)))
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	next, err := ports.Next()
	require.NoError(t, err)
	require.Equal(t, first+2, next)
	for err == nil {
		_, err = ports.Next()
	}
	require.ErrorContains(t, err, "given out or taken")
}
