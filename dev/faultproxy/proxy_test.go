package faultproxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"orderflow/dev/faultproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startEcho starts a server that echoes each line, and returns its address.
func startEcho(t *testing.T) string {
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

// connect starts a proxy and dials it.
func connect(t *testing.T) (*faultproxy.Proxy, func(line string) (string, error)) {
	t.Helper()
	p, err := faultproxy.Start(startEcho(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p, dial(t, p)
}

// dial connects to a proxy and returns a function that sends a line and returns the next
// response.
func dial(t *testing.T, p *faultproxy.Proxy) func(line string) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	responses := bufio.NewReader(conn)
	return func(line string) (string, error) {
		_ = conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
		if line != "" {
			if _, err := fmt.Fprintln(conn, line); err != nil {
				return "", err
			}
		}
		return responses.ReadString('\n')
	}
}

func TestStall_ForwardsAfterResume(t *testing.T) {
	t.Parallel()
	for _, direction := range []faultproxy.Direction{faultproxy.Upstream, faultproxy.Downstream} {
		p, say := connect(t)
		p.Stall(direction)
		_, err := say("hello")
		require.Error(t, err)
		require.Eventually(t, func() bool { return p.Received(direction) == 6 }, 10*time.Second, time.Millisecond)
		p.Resume()
		response, err := say("")
		require.NoError(t, err)
		require.Equal(t, "hello\n", response)
	}
}

func TestStallResponse(t *testing.T) {
	t.Parallel()
	p, say := connect(t)
	p.StallResponse(func(response []byte) bool { return bytes.Contains(response, []byte("two")) })
	response, err := say("one")
	require.NoError(t, err)
	require.Equal(t, "one\n", response)
	_, err = say("two")
	require.Error(t, err)
	p.Resume()
	response, err = say("")
	require.NoError(t, err)
	require.Equal(t, "two\n", response)
}

func TestDropResponse(t *testing.T) {
	t.Parallel()
	p, say := connect(t)
	p.DropResponse(func(response []byte) bool { return bytes.Contains(response, []byte("two")) })
	response, err := say("one")
	require.NoError(t, err)
	require.Equal(t, "one\n", response)
	_, err = say("two")
	require.Error(t, err)
	require.Equal(t, 1, p.Dropped())
	_, err = say("two")
	require.Error(t, err, "the connection is closed")
}

func TestCut_DiscardsStalledBytes(t *testing.T) {
	t.Parallel()
	p, say := connect(t)
	p.Stall(faultproxy.Downstream)
	_, err := say("hello")
	require.Error(t, err)
	p.Cut()
	p.Resume()
	_, err = say("")
	require.Error(t, err)
}

func TestStall_BothDirectionsAndNewConnections(t *testing.T) {
	t.Parallel()
	p, say := connect(t)
	p.Stall()
	_, err := say("hello")
	require.Error(t, err)
	second := dial(t, p)
	_, err = second("hello")
	require.Error(t, err)
	p.Resume()
	for _, say := range []func(string) (string, error){say, second} {
		response, err := say("")
		require.NoError(t, err)
		require.Equal(t, "hello\n", response)
	}
	require.Equal(t, 2, p.Accepted())
}

func TestStallOpen_LeavesNewConnections(t *testing.T) {
	t.Parallel()
	p, say := connect(t)
	_, err := say("one")
	require.NoError(t, err)
	p.StallOpen()
	_, err = say("two")
	require.Error(t, err)
	response, err := dial(t, p)("three")
	require.NoError(t, err)
	require.Equal(t, "three\n", response)
	p.Resume()
	response, err = say("")
	require.NoError(t, err)
	require.Equal(t, "two\n", response)
}

func TestReset_OpenAndNewConnections(t *testing.T) {
	t.Parallel()
	p, say := connect(t)
	_, err := say("one")
	require.NoError(t, err)
	p.Reset()
	_, err = say("two")
	require.Error(t, err)
	_, err = dial(t, p)("three")
	require.Error(t, err)
	p.Resume()
	response, err := dial(t, p)("four")
	require.NoError(t, err)
	require.Equal(t, "four\n", response)
}

func TestRefuse_UntilResume(t *testing.T) {
	t.Parallel()
	p, say := connect(t)
	_, err := say("one")
	require.NoError(t, err)
	p.Refuse()
	_, err = say("two")
	require.Error(t, err)
	_, err = net.Dial("tcp", p.Addr())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	p.Resume()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", p.Addr())
		return err == nil && conn.Close() == nil
	}, 10*time.Second, time.Millisecond)
	response, err := dial(t, p)("three")
	require.NoError(t, err)
	require.Equal(t, "three\n", response)
}
