package devserver_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

// startShell runs a script that prints "ready" on its standard output once it is.
func startShell(t *testing.T, script string) (p *devserver.Process, log string) {
	t.Helper()
	log = filepath.Join(t.TempDir(), "log", "shell.log")
	p, err := devserver.Start(t.Context(), devserver.Command{
		Name: "shell", Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/usr/bin:/bin", "GREETING=ready"}, LogFile: log,
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return strings.Contains(read(t, log), "ready") }, 10*time.Second, 10*time.Millisecond)
	return p, log
}

func read(t *testing.T, path string) string {
	t.Helper()
	body, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(body)
}

func TestProcess_StopsWithoutForce(t *testing.T) {
	t.Parallel()
	p, log := startShell(t, `trap 'echo stopped; exit 0' TERM; echo $GREETING; while :; do sleep 0.05; done`)

	require.NoError(t, p.Stop(t.Context(), syscall.SIGTERM, syscall.SIGKILL))

	require.NoError(t, p.Err())
	require.Equal(t, "ready\nstopped\n", read(t, log))
	require.NoError(t, p.Stop(t.Context(), syscall.SIGTERM, syscall.SIGKILL), "it has ended already")
}

func TestProcess_StopKillsTheGroup(t *testing.T) {
	t.Parallel()
	p, log := startShell(t, `trap '' TERM; sleep 1000 & echo $! $GREETING; wait; wait`)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()

	err := p.Stop(ctx, syscall.SIGTERM, syscall.SIGKILL)

	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, p.Err(), "killed")
	grandchild, err := strconv.Atoi(strings.Fields(read(t, log))[0])
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !running(grandchild) }, 10*time.Second, 10*time.Millisecond)
}

// running reports whether a process exists and is not a zombie.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

func TestProcess_OwnGroup(t *testing.T) {
	t.Parallel()
	p, _ := startShell(t, `echo $GREETING; exec sleep 1000`)
	group, err := syscall.Getpgid(p.PID)
	require.NoError(t, err)
	require.Equal(t, p.PID, group)
	require.NoError(t, p.Stop(t.Context(), syscall.SIGTERM, syscall.SIGKILL))
}

func TestProcess_MissingProgram(t *testing.T) {
	t.Parallel()
	_, err := devserver.Start(t.Context(), devserver.Command{Name: "shell", Path: "/nowhere/sh"})
	require.ErrorContains(t, err, "start shell: ")
	require.ErrorContains(t, err, "/nowhere/sh")
}

func TestFreePort(t *testing.T) {
	t.Parallel()
	port, err := devserver.FreePort()
	require.NoError(t, err)
	require.Positive(t, port)
}
