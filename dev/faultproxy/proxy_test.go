package faultproxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/faultproxy"
	"orderflow/dev/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

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
func connect(t *testing.T) (*faultproxy.Proxy, *peer) {
	t.Helper()
	p, err := faultproxy.StartAt(devservertest.Address(t), startEcho(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p, dial(t, p)
}

// peer is a connection to the server, through the proxy.
type peer struct {
	net.Conn
	responses *bufio.Reader
}

func dial(t *testing.T, p *faultproxy.Proxy) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &peer{Conn: conn, responses: bufio.NewReader(conn)}
}

// say sends a line, unless it is empty, and returns the next response.
func (c *peer) say(line string) (string, error) { return c.exchange(line, 10*time.Second) }

// requireStalled sends a line, unless it is empty, and requires that no response arrives.
func (c *peer) requireStalled(t *testing.T, line string) {
	t.Helper()
	_, err := c.exchange(line, 100*time.Millisecond)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func (c *peer) exchange(line string, timeout time.Duration) (string, error) {
	if line != "" {
		_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := fmt.Fprintln(c, line); err != nil {
			return "", err
		}
	}
	_ = c.SetReadDeadline(time.Now().Add(timeout))
	return c.responses.ReadString('\n')
}

func TestStall_ForwardsAfterResume(t *testing.T) {
	t.Parallel()
	for _, direction := range []faultproxy.Direction{faultproxy.Upstream, faultproxy.Downstream} {
		p, c := connect(t)
		p.Stall(direction)
		c.requireStalled(t, "hello")
		require.Eventually(t, func() bool { return p.Received(direction) == 6 }, 10*time.Second, time.Millisecond)
		p.Resume()
		response, err := c.say("")
		require.NoError(t, err)
		require.Equal(t, "hello\n", response)
	}
}

func TestStallResponse(t *testing.T) {
	t.Parallel()
	p, c := connect(t)
	p.StallResponse(func(response []byte) bool { return bytes.Contains(response, []byte("two")) })
	response, err := c.say("one")
	require.NoError(t, err)
	require.Equal(t, "one\n", response)
	c.requireStalled(t, "two")
	p.Resume()
	response, err = c.say("")
	require.NoError(t, err)
	require.Equal(t, "two\n", response)
}

func TestDropResponse(t *testing.T) {
	t.Parallel()
	p, c := connect(t)
	p.DropResponse(func(response []byte) bool { return bytes.Contains(response, []byte("two")) })
	response, err := c.say("one")
	require.NoError(t, err)
	require.Equal(t, "one\n", response)
	_, err = c.say("two")
	require.Error(t, err)
	require.Equal(t, 1, p.Dropped())
	_, err = c.say("two")
	require.Error(t, err, "the connection is closed")
}

func TestCut_DiscardsStalledBytes(t *testing.T) {
	t.Parallel()
	p, c := connect(t)
	p.Stall(faultproxy.Downstream)
	c.requireStalled(t, "hello")
	p.Cut()
	p.Resume()
	_, err := c.say("")
	require.Error(t, err)
}

func TestStall_BothDirectionsAndNewConnections(t *testing.T) {
	t.Parallel()
	p, c := connect(t)
	p.Stall()
	c.requireStalled(t, "hello")
	second := dial(t, p)
	second.requireStalled(t, "hello")
	p.Resume()
	for _, c := range []*peer{c, second} {
		response, err := c.say("")
		require.NoError(t, err)
		require.Equal(t, "hello\n", response)
	}
	require.Equal(t, 2, p.Accepted())
}

func TestStallOpen_LeavesNewConnections(t *testing.T) {
	t.Parallel()
	p, c := connect(t)
	_, err := c.say("one")
	require.NoError(t, err)
	p.StallOpen()
	c.requireStalled(t, "two")
	response, err := dial(t, p).say("three")
	require.NoError(t, err)
	require.Equal(t, "three\n", response)
	p.Resume()
	response, err = c.say("")
	require.NoError(t, err)
	require.Equal(t, "two\n", response)
}

func TestReset_OpenAndNewConnections(t *testing.T) {
	t.Parallel()
	p, c := connect(t)
	_, err := c.say("one")
	require.NoError(t, err)
	p.Reset()
	_, err = c.say("two")
	require.Error(t, err)
	_, err = dial(t, p).say("three")
	require.Error(t, err)
	p.Resume()
	response, err := dial(t, p).say("four")
	require.NoError(t, err)
	require.Equal(t, "four\n", response)
}

func TestRefuse_UntilResume(t *testing.T) {
	t.Parallel()
	p, c := connect(t)
	_, err := c.say("one")
	require.NoError(t, err)
	p.Refuse()
	_, err = c.say("two")
	require.Error(t, err)
	_, err = net.Dial("tcp", p.Addr())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	p.Resume()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", p.Addr())
		return err == nil && conn.Close() == nil
	}, 10*time.Second, time.Millisecond)
	response, err := dial(t, p).say("three")
	require.NoError(t, err)
	require.Equal(t, "three\n", response)
}
