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

// openTerminal gives both ends of one: a person's, and a program's.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = person.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = program.Close() })
	return person, program
}

// listener does something when a text is printed.
type listener struct {
	text string
	then func()
}

func (l listener) Write(printed []byte) (int, error) {
	if bytes.Contains(printed, []byte(l.text)) {
		l.then()
	}
	return len(printed), nil
}

func TestOnATerminalDroppingIsAskedAbout(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run()
	streams := b.park(22)
	for _, reply := range []string{"\n", "n\n", "what?\n"} {
		person, program := openTerminal(t)
		_, err := io.WriteString(person, reply)
		require.NoError(t, err)
		asked := b.starterAt(t.Context(), program, "parked", "drop", "--until", "20")
		require.EqualError(t, asked.err, "drop: nothing was dropped")
		require.Contains(t, asked.stdout, streams[19])
		require.NotContains(t, asked.stdout, streams[20])
		require.Contains(t, asked.stdout, "and 1 more\ndrop 21 events, numbers 0 to 20 of group fulfillment on $ce-order? [y/N] ")
	}
	_, program := openTerminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := b.command(ctx, program, listener{"[y/N] ", cancel}, io.Discard, "parked", "drop", "--until", "20")
	require.EqualError(t, err, "drop: nothing was dropped", "nobody answers, until it is interrupted")

	person, program := openTerminal(t)
	_, err = io.WriteString(person, "y\n")
	require.NoError(t, err)
	require.NoError(t, b.starterAt(t.Context(), program, "parked", "drop", "--until", "20").err)
	require.Equal(t, "21", b.numbers())
}
