package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openPseudoTerminal returns both ends of a pseudoterminal: the operator's and the
// program's.
func openPseudoTerminal(t *testing.T) (operatorEnd, programEnd *os.File) {
	t.Helper()
	operatorEnd, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = operatorEnd.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(operatorEnd.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(operatorEnd.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	programEnd, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = programEnd.Close() })
	return operatorEnd, programEnd
}

// triggerWriter calls then when text is written.
type triggerWriter struct {
	text string
	then func()
}

func (l triggerWriter) Write(printed []byte) (int, error) {
	if bytes.Contains(printed, []byte(l.text)) {
		l.then()
	}
	return len(printed), nil
}

func TestDropParked_Confirmation(t *testing.T) {
	t.Parallel()
	b := newStarterRig(t)
	b.Run()
	streams := b.park(22)
	for _, reply := range []string{"\n", "n\n", "what?\n"} {
		operatorEnd, programEnd := openPseudoTerminal(t)
		_, err := io.WriteString(operatorEnd, reply)
		require.NoError(t, err)
		asked := b.orderflowAt(t.Context(), programEnd, "parked", "drop", "--until", "20")
		require.EqualError(t, asked.err, "drop: nothing was dropped")
		require.Contains(t, asked.stdout, streams[19])
		require.NotContains(t, asked.stdout, streams[20])
		require.Contains(t, asked.stdout, "and 1 more\ndrop 21 events, numbers 0 to 20 of group fulfillment on $ce-order? [y/N] ")
	}
	_, programEnd := openPseudoTerminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := b.command(ctx, programEnd, triggerWriter{"[y/N] ", cancel}, io.Discard, "parked", "drop", "--until", "20")
	require.EqualError(t, err, "drop: nothing was dropped", "no reply until it is interrupted")

	operatorEnd, programEnd := openPseudoTerminal(t)
	_, err = io.WriteString(operatorEnd, "y\n")
	require.NoError(t, err)
	require.NoError(t, b.orderflowAt(t.Context(), programEnd, "parked", "drop", "--until", "20").err)
	require.Equal(t, "21", b.numbers())
}
