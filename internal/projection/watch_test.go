package projection

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/internal/backoff"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
)

// mutedLog is the real log behind an intermediary that keeps subscriptions alive and,
// while muted, delivers nothing.
type mutedLog struct {
	*kurrent.Client
	mute    atomic.Bool
	follows atomic.Int64
}

func (m *mutedLog) Follow(ctx context.Context, f kurrent.Follow, visit func(kurrent.Step) error) error {
	m.follows.Add(1)
	gone := false // events dropped while muted never arrive on this subscription
	return m.Client.Follow(ctx, f, func(s kurrent.Step) error {
		if gone = gone || m.mute.Load(); gone {
			return nil
		}
		return visit(s)
	})
}

// countingLog counts the calls of PendingEvents.
type countingLog struct {
	*mutedLog
	n atomic.Int64
}

func (c *countingLog) PendingEvents(ctx context.Context, f kurrent.Follow, most int) (kurrent.Pending, error) {
	c.n.Add(1)
	return c.mutedLog.PendingEvents(ctx, f, most)
}

func TestWatch_EndsSilentSubscription(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	events := &mutedLog{Client: rig.events}
	p := rig.projector(rig.events)
	looks := &countingLog{mutedLog: events}
	p.events = looks
	rig.start(p)
	history := newHistory(9)
	rig.appendSteps(history, 50)
	rig.awaitHistory(history)
	require.Eventually(t, func() bool { // the position may move past irrelevant events later
		_, behind, err := p.lag(t.Context())
		return err == nil && behind == kurrent.Pending{}
	}, waitLong, waitTick)
	follows := events.follows.Load()
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	looks.n.Store(0)
	go func() { defer close(watched); p.watch(ctx, waitTick) }()
	defer func() { cancel(); <-watched }()
	require.Eventually(t, func() bool { return looks.n.Load() > 3*silentRounds }, waitLong, waitTick)
	require.Equal(t, follows, events.follows.Load(), "a log with nothing to read is not silent")

	events.mute.Store(true)
	rig.appendSteps(history, 50)
	require.Eventually(t, func() bool { return events.follows.Load() > follows }, waitLong, waitTick)
	require.NotEqual(t, history.expected(), rig.viewLines())
	events.mute.Store(false)

	rig.awaitHistory(history)
}

func TestWatch_KeepsSlowSubscription(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	events := &mutedLog{Client: rig.events}
	p := rig.projector(rig.events)
	p.events = slowLog{events}
	rig.start(p)
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { defer close(watched); p.watch(ctx, time.Second) }()
	defer func() { cancel(); <-watched }()
	history := newHistory(10)

	rig.appendSteps(history, 50)

	rig.awaitHistory(history)
	require.EqualValues(t, 1, events.follows.Load(), "a view that moves is behind but not stuck")
}

// slowLog takes longer for fifty events than watch tolerates a view that does not move.
type slowLog struct{ *mutedLog }

func (s slowLog) Follow(ctx context.Context, f kurrent.Follow, visit func(kurrent.Step) error) error {
	return s.mutedLog.Follow(ctx, f, func(step kurrent.Step) error {
		_ = backoff.Sleep(ctx, 150*time.Millisecond)
		return visit(step)
	})
}

// unreadableLog is a log that cannot be read while broken.
type unreadableLog struct {
	*kurrent.Client
	broken atomic.Bool
}

func (u *unreadableLog) PendingEvents(ctx context.Context, f kurrent.Follow, most int) (kurrent.Pending, error) {
	if u.broken.Load() {
		return kurrent.Pending{}, kurrent.ErrUnavailable
	}
	return u.Client.PendingEvents(ctx, f, most)
}

func TestWatch_LagGrowsWhileItCannotBeMeasured(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	events := &unreadableLog{Client: rig.events}
	events.broken.Store(true)
	p := rig.projector(rig.events)
	p.events = events
	lag := func() float64 { return testutil.ToFloat64(p.metrics.lagSeconds) }
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { defer close(watched); p.watch(ctx, waitTick) }()
	defer func() { cancel(); <-watched }()
	require.Eventually(t, func() bool { return lag() > 0.1 }, waitLong, waitTick, "from the start")

	events.broken.Store(false)
	require.Eventually(t, func() bool { return lag() == 0 }, waitLong, waitTick)

	events.broken.Store(true)
	require.Eventually(t, func() bool { return lag() > 0.1 }, waitLong, waitTick, "since the last measurement")
}

func TestRebuild_RetriesSilentSubscription(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	history := newHistory(11)
	rig.appendSteps(history, 50)
	events := &mutedLog{Client: rig.events}
	events.mute.Store(true)
	store, built := postgres.NewCustomerView(rig.pool()), make(chan error, 1)
	go func() { built <- build(t.Context(), events, store, waitTick, slog.New(slog.DiscardHandler)) }()
	require.Eventually(t, func() bool { return events.follows.Load() > 1 }, waitLong, waitTick)

	events.mute.Store(false)

	require.NoError(t, <-built)
	rig.awaitHistory(history)
}
