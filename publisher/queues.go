package main

import (
	"context"
	"sync"
	"time"

	"orderflow/internal/postgres"
)

// pendingVersion is a version that is queued or being published.
type pendingVersion struct {
	postgres.Version
	seq sequence
}

// orderQueues publish versions: those of one order in sequence, those of different orders
// concurrently. The window limits how many are in flight.
type orderQueues struct {
	window *window
	// publish publishes a version or sets it aside. It returns an error if ctx has ended;
	// the version's outcome is then unknown.
	publish func(context.Context, postgres.Version) error

	running sync.WaitGroup
	mu      sync.Mutex
	waiting map[string][]pendingVersion // by order; a key exists while its queue is being processed
}

// newOrderQueues returns queues for a source whose versions up to an id are complete.
func newOrderQueues(versions int, through int64, publish func(context.Context, postgres.Version) error) *orderQueues {
	return &orderQueues{window: newWindow(versions, through), publish: publish, waiting: map[string][]pendingVersion{}}
}

// enqueue queues a version and reports whether there was room for it. It is published
// under ctx.
func (q *orderQueues) enqueue(ctx context.Context, v postgres.Version) bool {
	seq, ok := q.window.add(v.ID, v.Size(), v.At)
	if !ok {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	queue, running := q.waiting[v.OrderID]
	q.waiting[v.OrderID] = append(queue, pendingVersion{Version: v, seq: seq})
	if !running {
		q.running.Go(func() { q.run(ctx, v.OrderID) })
	}
	return true
}

// run processes an order's queue until it is empty. After ctx has ended, nothing more is
// published: the remaining versions stay incomplete, and the source delivers them again.
func (q *orderQueues) run(ctx context.Context, orderID string) {
	for {
		next, ok := q.next(orderID)
		if !ok || q.publish(ctx, next.Version) != nil {
			return
		}
		q.window.complete(next.seq, next.Size())
	}
}

func (q *orderQueues) next(orderID string) (pendingVersion, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	queue := q.waiting[orderID]
	if len(queue) == 0 {
		delete(q.waiting, orderID)
		return pendingVersion{}, false
	}
	q.waiting[orderID] = queue[1:]
	return queue[0], true
}

// wait returns once no queue is being processed.
func (q *orderQueues) wait() { q.running.Wait() }

// enqueueWait queues a version as soon as there is room. It returns an error if ctx ends
// first. The version is published under work.
func (q *orderQueues) enqueueWait(ctx, work context.Context, v postgres.Version) error {
	for !q.enqueue(work, v) {
		select {
		case <-q.window.freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// drain returns once nothing is in flight.
func (q *orderQueues) drain(ctx context.Context) error {
	for {
		if _, _, open := q.window.state(); open == 0 {
			return nil
		}
		select {
		case <-q.window.freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// drainFor waits at most d for nothing to be in flight, and reports whether the caller
// must wait again.
func (q *orderQueues) drainFor(ctx context.Context, d time.Duration) (again bool) {
	waiting, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return q.drain(waiting) != nil && ctx.Err() == nil
}
