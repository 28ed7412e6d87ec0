package door_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"orderflow/internal/door"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers each line with itself, and gives its address.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					_, _ = fmt.Fprintln(conn, lines.Text())
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func enter(t *testing.T) (*door.Door, func(line string) (string, error)) {
	t.Helper()
	d, err := door.Open(echo(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	conn, err := net.Dial("tcp", d.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	answers := bufio.NewReader(conn)
	return d, func(line string) (string, error) {
		_ = conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
		if line != "" {
			if _, err := fmt.Fprintln(conn, line); err != nil {
				return "", err
			}
		}
		return answers.ReadString('\n')
	}
}

func TestWhatIsHeldGoesOnWhenItIsLetGo(t *testing.T) {
	t.Parallel()
	for _, way := range []door.Direction{door.In, door.Back} {
		d, say := enter(t)
		d.Hold(way)
		_, err := say("hello")
		require.Error(t, err)
		require.EqualValues(t, 6, d.Arrived(way))
		d.Release()
		answer, err := say("")
		require.NoError(t, err)
		require.Equal(t, "hello\n", answer)
	}
}

func TestAnAnswerIsHeldFromTheOneThatIsMeant(t *testing.T) {
	t.Parallel()
	d, say := enter(t)
	d.HoldAnswer(func(answer []byte) bool { return bytes.Contains(answer, []byte("two")) })
	answer, err := say("one")
	require.NoError(t, err)
	require.Equal(t, "one\n", answer)
	_, err = say("two")
	require.Error(t, err)
	d.Release()
	answer, err = say("")
	require.NoError(t, err)
	require.Equal(t, "two\n", answer)
}

func TestAnAnswerIsLostOnceAndItsConnectionCut(t *testing.T) {
	t.Parallel()
	d, say := enter(t)
	d.LoseAnswer(func(answer []byte) bool { return bytes.Contains(answer, []byte("two")) })
	answer, err := say("one")
	require.NoError(t, err)
	require.Equal(t, "one\n", answer)
	_, err = say("two")
	require.Error(t, err)
	require.Equal(t, 1, d.Lost())
	_, err = say("two")
	require.Error(t, err, "the connection is gone")
}

func TestACutConnectionEndsWithWhatWasHeld(t *testing.T) {
	t.Parallel()
	d, say := enter(t)
	d.Hold(door.Back)
	_, err := say("hello")
	require.Error(t, err)
	d.Cut()
	d.Release()
	_, err = say("")
	require.Error(t, err)
}
