package main

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/bridge"
	"orderflow/dev/kurrentsim"
)

// newBridgeRigOn returns a rig whose server is started with options.
func newBridgeRigOn(t *testing.T, options kurrentsim.Options) (*bridgeRig, *kurrentsim.Server) {
	t.Helper()
	server, err := kurrentsim.Start(options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	b := newBridgeRig(t)
	b.use(server.URL())
	b.options.InspectInterval = 20 * time.Millisecond
	return b, server
}

// logCounter counts log lines by their message.
type logCounter struct {
	slog.Handler
	mu    sync.Mutex
	lines map[string]int
}

func (l *logCounter) Enabled(context.Context, slog.Level) bool { return true }

func (l *logCounter) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines[r.Message]++
	return nil
}

func (l *logCounter) count(message string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines[message]
}

func TestCheckProjection_NotRunning(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options kurrentsim.Options
		fault   bool
		want    string
	}{
		"the server has no projections": {kurrentsim.Options{WithoutProjections: true}, false,
			"projection $by_category is absent, so no new event reaches $ce-order: restart KurrentDB with RunProjections=System"},
		"the projection was never enabled": {kurrentsim.Options{StoppedProjections: true}, false, "is stopped, so no new event reaches $ce-order: enable it"},
		"the projection is faulted":        {kurrentsim.Options{}, true, "is faulted, so no new event reaches $ce-order: repair"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, server := newBridgeRigOn(t, c.options)
			if c.fault {
				require.NoError(t, server.FaultProjection("$by_category", "it broke"))
			}
			log := &logCounter{lines: map[string]int{}}
			b.options.Logger = slog.New(log)
			id := newOrderID()
			b.append(id, placedEvent(id))
			b.run()
			b.awaitJoined() // events linked before are still delivered
			require.ErrorContains(t, b.bridge.Ready(t.Context()), c.want)
			require.True(t, b.blocked(obstacleProjection))
			if c.options.WithoutProjections {
				return
			}
			projections := kurrentdb.NewProjectionClientFromExistingClient(b.admin())
			require.NoError(t, projections.Enable(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{}))
			b.awaitReady()
			require.False(t, b.blocked(obstacleProjection))
			b.awaitCounts(map[bridge.Result]int{bridge.Started: 1})
			require.Equal(t, 1, log.count("not ready until this is repaired"))
			require.Equal(t, 1, log.count("obstacle is gone"))
		})
	}
}

func TestCheckProjection_StoppedWhileRunning(t *testing.T) {
	t.Parallel()
	b, _ := newBridgeRigOn(t, kurrentsim.Options{})
	b.run()
	b.awaitReady()
	projections := kurrentdb.NewProjectionClientFromExistingClient(b.admin())
	require.NoError(t, projections.Disable(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{}))
	require.Eventually(t, func() bool { return b.blocked(obstacleProjection) }, longEnough, waitTick)
	require.ErrorContains(t, b.bridge.Ready(t.Context()), "is stopped")
}
