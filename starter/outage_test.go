package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/internal/kurrentsim"
)

func TestWhenTemporalIsAwayEventsWaitInKurrentDBAndNoneIsParked(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	way := newRoad(t, temporalAddress)
	temporal, err := client.DialContext(t.Context(), client.Options{HostPort: way.addr, Logger: quiet{}})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	b.bridge.temporal = temporal
	b.bridge.patience = 500 * time.Millisecond
	b.run()
	require.Eventually(t, b.bridge.joined.Load, 30*time.Second, 10*time.Millisecond)

	way.become(refused)
	const orders = 20
	for range orders {
		id := newOrderID()
		b.append(id, placedEvent(id))
	}
	require.Eventually(t, func() bool { return !b.bridge.joined.Load() }, 30*time.Second, 10*time.Millisecond,
		"the bridge gives back what it cannot hand on")
	way.become(passable)
	b.awaitCounts(map[result]int{resultStarted: orders, resultParked: 0})
	require.Empty(t, b.parked())
}

func TestWhenKurrentDBIsRestartedTheBridgeGoesOn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := t.TempDir()
	server, err := kurrentsim.Start(kurrentsim.Options{DataDir: dir})
	require.NoError(t, err)
	b.use(server.URL())
	before := newOrderID()
	b.append(before, placedEvent(before))
	b.run()
	b.awaitCounts(map[result]int{resultStarted: 1})

	require.NoError(t, server.Stop(context.Background()))
	require.Eventually(t, func() bool { return !b.bridge.joined.Load() }, 30*time.Second, 10*time.Millisecond)
	server, err = kurrentsim.Start(kurrentsim.Options{DataDir: dir, Listen: server.Addr()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	after := newOrderID()
	require.Eventually(t, func() bool { return b.events.Ping(t.Context()) == nil }, 30*time.Second, 10*time.Millisecond)
	b.append(after, placedEvent(after))
	b.awaitCounts(map[result]int{resultStarted: 2, resultParked: 0})
}

func TestABridgeThatStopsFinishesWhatItTook(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const orders = 200
	for range orders {
		id := newOrderID()
		b.append(id, placedEvent(id))
	}
	stop := b.run()
	require.Eventually(t, func() bool { return b.count(resultStarted) > 0 }, 30*time.Second, time.Millisecond)
	stop()
	require.Less(t, b.count(resultStarted), orders, "it stops taking events in before it has taken all")
	b.run()
	b.awaitCounts(map[result]int{resultStarted: orders, resultDuplicate: 0})
}
