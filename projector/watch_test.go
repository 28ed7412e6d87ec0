package main

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/internal/kurrent"
)

// muted is the real log behind something that keeps subscriptions alive and, while it is asked to, passes nothing on.
type muted struct {
	*kurrent.Client
	mute    atomic.Bool
	follows atomic.Int64
}

func (m *muted) Follow(ctx context.Context, f kurrent.Follow, visit func(kurrent.Step) error) error {
	m.follows.Add(1)
	gone := false // what was not passed on never comes on this subscription
	return m.Client.Follow(ctx, f, func(s kurrent.Step) error {
		if gone = gone || m.mute.Load(); gone {
			return nil
		}
		return visit(s)
	})
}

// counted is the real log, which counts how often it is asked what is behind.
type counted struct {
	*kurrent.Client
	n atomic.Int64
}

func (c *counted) Behind(ctx context.Context, f kurrent.Follow, most int) (int, error) {
	c.n.Add(1)
	return c.Client.Behind(ctx, f, most)
}

func TestASubscriptionThatDeliversNothingIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kurrentsim.Options{})
	events := &muted{Client: w.events}
	p := w.projector(w.events)
	p.events = events
	w.start(p)
	tale := newTale(9)
	w.tell(tale, 50)
	w.awaitTale(tale)
	require.Eventually(t, func() bool { // what says nothing to the view may be taken later
		_, behind, err := p.lag(t.Context(), w.events)
		return err == nil && behind == 0
	}, waitLong, waitTick)
	follows := events.follows.Load()
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	looks := &counted{Client: w.events}
	go func() { defer close(watched); p.watch(ctx, waitTick, looks) }()
	defer func() { cancel(); <-watched }()
	require.Eventually(t, func() bool { return looks.n.Load() > 3*silentRounds }, waitLong, waitTick)
	require.Equal(t, follows, events.follows.Load(), "a log with nothing to read is no silence")

	events.mute.Store(true)
	w.tell(tale, 50)
	require.Eventually(t, func() bool { return events.follows.Load() > follows }, waitLong, waitTick)
	require.NotEqual(t, tale.expected(), w.shown())
	events.mute.Store(false)

	w.awaitTale(tale)
}

func TestASubscriptionThatIsSlowIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kurrentsim.Options{})
	events := &muted{Client: w.events}
	p := w.projector(w.events)
	p.events = slow{events}
	w.start(p)
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { defer close(watched); p.watch(ctx, time.Second, w.events) }()
	defer func() { cancel(); <-watched }()
	tale := newTale(10)

	w.tell(tale, 50)

	w.awaitTale(tale)
	require.EqualValues(t, 1, events.follows.Load(), "a view that moves is behind, and not stuck")
}

// slow takes longer for fifty events than the watch has patience with a view that does not move.
type slow struct{ *muted }

func (s slow) Follow(ctx context.Context, f kurrent.Follow, visit func(kurrent.Step) error) error {
	return s.muted.Follow(ctx, f, func(step kurrent.Step) error {
		pause(ctx, 150*time.Millisecond)
		return visit(step)
	})
}
