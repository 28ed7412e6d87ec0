package stack

import (
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

func TestRequireFree_NamesEachTakenPort(t *testing.T) {
	t.Parallel()
	var taken ports
	for _, number := range []*int{&taken.temporal, &taken.ses} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = listener.Close() }()
		*number = listener.Addr().(*net.TCPAddr).Port
	}

	err := taken.requireFree()

	require.EqualError(t, err, fmt.Sprintf(
		"port %d (Temporal) is in use: stop what listens there, or use --ports auto\n"+
			"port %d (SES inbox) is in use: stop what listens there, or use --ports auto", taken.temporal, taken.ses))
}

func TestChoosePorts_AutomaticPortsAreFreeAndDistinct(t *testing.T) {
	t.Parallel()
	chosen, err := choosePorts(claimPorts(t), external{}, true)
	require.NoError(t, err)

	seen := map[int]bool{}
	for _, port := range chosen.listed() {
		require.True(t, free(*port.number), port.part)
		seen[*port.number] = true
	}
	require.Len(t, seen, len(chosen.listed()))
}

func TestChoosePorts_ExternalPartsNeedNone(t *testing.T) {
	t.Parallel()
	chosen, err := choosePorts(claimPorts(t), external{kurrentdb: true, temporal: true, postgres: true, ses: true}, false)

	require.NoError(t, err)
	require.NotZero(t, chosen.worker)
	require.NotZero(t, chosen.api)
	require.Zero(t, chosen.nextWorker)
	require.Equal(t, [5]int{}, [5]int{chosen.kurrentdb, chosen.temporal, chosen.temporalUI, chosen.postgres, chosen.ses})
}

func claimPorts(t *testing.T) *devserver.Ports {
	t.Helper()
	own, err := devserver.ClaimPorts()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, own.Close()) })
	return own
}
