package main

import (
	"context"
	"sync"
	"time"

	"orderflow/internal/postgres"
)

// passenger is a version in flight.
type passenger struct {
	postgres.Version
	ticket ticket
}

// lanes carry versions to their streams: those of one order one after another, different orders side by side. How many
// there are at a time is the window's business.
type lanes struct {
	window *window
	// publish brings a version to an end, whichever; an error means that ctx has ended and nothing is known.
	publish func(context.Context, postgres.Version) error

	running sync.WaitGroup
	mu      sync.Mutex
	waiting map[string][]passenger // by order; a key is there while its lane runs
}

// newLanes makes lanes for a source whose versions up to an id are answered.
func newLanes(versions int, through int64, publish func(context.Context, postgres.Version) error) *lanes {
	return &lanes{window: newWindow(versions, through), publish: publish, waiting: map[string][]passenger{}}
}

// admit sends a version off if there is room for it.
func (l *lanes) admit(ctx context.Context, v postgres.Version) bool {
	t, ok := l.window.enter(v.ID, v.Size(), v.At)
	if !ok {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	queue, running := l.waiting[v.OrderID]
	l.waiting[v.OrderID] = append(queue, passenger{Version: v, ticket: t})
	if !running {
		l.running.Go(func() { l.run(ctx, v.OrderID) })
	}
	return true
}

// run empties an order's lane. After ctx has ended, nothing more is published: versions that are not answered stay
// unanswered, and the source hands them out again.
func (l *lanes) run(ctx context.Context, orderID string) {
	for {
		next, ok := l.next(orderID)
		if !ok || l.publish(ctx, next.Version) != nil {
			return
		}
		l.window.leave(next.ticket, next.Size())
	}
}

func (l *lanes) next(orderID string) (passenger, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue := l.waiting[orderID]
	if len(queue) == 0 {
		delete(l.waiting, orderID)
		return passenger{}, false
	}
	l.waiting[orderID] = queue[1:]
	return queue[0], true
}

// wait returns when every lane has ended.
func (l *lanes) wait() { l.running.Wait() }

// admitSoon sends a version off as soon as there is room, unless ctx ends. Work is what carries it.
func (l *lanes) admitSoon(ctx, work context.Context, v postgres.Version) error {
	for !l.admit(work, v) {
		select {
		case <-l.window.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// settle returns when nothing is in flight any more.
func (l *lanes) settle(ctx context.Context) error {
	for {
		if _, _, open := l.window.state(); open == 0 {
			return nil
		}
		select {
		case <-l.window.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settleFor waits a while for nothing to be in flight, and reports whether it has to be waited for still.
func (l *lanes) settleFor(ctx context.Context, d time.Duration) (again bool) {
	waiting, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return l.settle(waiting) != nil && ctx.Err() == nil
}
