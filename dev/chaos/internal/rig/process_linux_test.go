package rig

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/programs"
)

// supervised is a process that does nothing, and is watched over until the test ends.
func supervised(t *testing.T) (*Process, *[]map[string]string) {
	t.Helper()
	var starts []map[string]string
	p := &Process{
		Name: "sleeper", ready: func(context.Context) error { return nil }, pause: pauseOne,
		up: func(context.Context) error { return nil }, down: func() {},
		launch: func(ctx context.Context, variables map[string]string) (child, error) {
			starts = append(starts, variables)
			process, err := devserver.Start(ctx, devserver.Command{Name: "sleeper", Path: "/bin/sleep", Args: []string{"600"}})
			return programs.Program{Process: process}, err
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		p.supervise(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	return p, &starts
}

func TestProcess_RestartsAfterKill(t *testing.T) {
	t.Parallel()
	p, starts := supervised(t)
	require.NoError(t, p.Start(t.Context(), map[string]string{"FAILPOINTS": "x=crash"}))
	require.NoError(t, p.Kill(t.Context()))
	require.NoError(t, p.AwaitReady(t.Context()))
	require.Equal(t, []map[string]string{{"FAILPOINTS": "x=crash"}, nil}, *starts, "extra variables apply to one start only")
	deaths := p.Deaths()
	require.Len(t, deaths, 1)
	require.True(t, deaths[0].Killed())
	require.True(t, deaths[0].Asked)
	require.Equal(t, "x=crash", deaths[0].Variables["FAILPOINTS"])
}

func TestProcess_ReportsUnexpectedDeath(t *testing.T) {
	t.Parallel()
	p, _ := supervised(t)
	require.NoError(t, p.Start(t.Context(), nil))
	p.running().(programs.Program).Signal(9)
	death, err := p.AwaitDeathAfter(t.Context(), 0)
	require.NoError(t, err)
	require.True(t, death.Killed())
	require.False(t, death.Asked)
	require.NoError(t, p.AwaitReady(t.Context()))
	require.Equal(t, 2, p.Starts())
}

func TestProcess_StaysDownAfterStop(t *testing.T) {
	t.Parallel()
	p, _ := supervised(t)
	require.NoError(t, p.Start(t.Context(), nil))
	require.NoError(t, p.Stop(t.Context()))
	waiting, cancel := context.WithTimeout(t.Context(), 3*firstRespawn)
	defer cancel()
	require.ErrorIs(t, p.AwaitReady(waiting), context.DeadlineExceeded)
	require.NoError(t, p.Restart(t.Context(), nil))
	require.Equal(t, 2, p.Starts())
}

func TestProcess_OutageEnds(t *testing.T) {
	t.Parallel()
	p, _ := supervised(t)
	require.NoError(t, p.Start(t.Context(), nil))
	require.NoError(t, p.Outage(t.Context(), 100*time.Millisecond))
	require.NoError(t, p.AwaitReady(t.Context()))
	require.Equal(t, 2, p.Starts())
}

func TestProcess_Pause(t *testing.T) {
	t.Parallel()
	p, _ := supervised(t)
	require.NoError(t, p.Start(t.Context(), nil))
	pid := p.running().(programs.Program).PID
	paused := make(chan error, 1)
	ctx, resume := context.WithCancel(t.Context())
	defer resume()
	go func() { paused <- p.Pause(ctx, time.Hour) }()
	require.Eventually(t, func() bool { return stateOf(t, pid) == "T" }, 5*time.Second, time.Millisecond)
	resume()
	require.NoError(t, <-paused)
	require.Eventually(t, func() bool { return stateOf(t, pid) == "S" }, 5*time.Second, time.Millisecond)
	require.Equal(t, 1, p.Starts())
}

// stateOf is a process's state as Linux tells it: T is stopped, S sleeps.
func stateOf(t *testing.T, pid int) string {
	t.Helper()
	body, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(body), ") ")
	require.True(t, found)
	return rest[:1]
}

func TestProcess_SetNext(t *testing.T) {
	t.Parallel()
	p, starts := supervised(t)
	require.NoError(t, p.Start(t.Context(), nil))
	p.SetNext(map[string]string{"FAILPOINTS": "x=crash"})
	require.False(t, p.Started("FAILPOINTS", "x=crash", 0), "the current run continues")
	for range 2 {
		require.NoError(t, p.Kill(t.Context()))
		require.NoError(t, p.AwaitReady(t.Context()))
		require.True(t, p.Started("FAILPOINTS", "x=crash", 1))
	}
	require.False(t, p.Started("FAILPOINTS", "x=crash", 2), "it applies to one start only")
	require.Equal(t, []map[string]string{nil, {"FAILPOINTS": "x=crash"}, nil}, *starts)
}
