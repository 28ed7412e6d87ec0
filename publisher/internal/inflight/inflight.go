// Package inflight publishes versions concurrently and keeps track of up to where they
// are published.
//
// A source delivers versions in its own order and, in between, the positions it has
// reached: the replication log, whose positions are LSNs, or the history, whose positions
// are its ids. [Versions.Enqueue] appends each version to the queue of its order. One
// worker at a time takes the versions of a queue one after another, because each of them
// must follow the revision before it. Different orders are published at the same
// time, within a limit on versions and on bytes. While there is no room, the source is
// not read, and PostgreSQL keeps what follows.
//
// Versions complete in any order. [State.Reached] is the last position of the source
// before which every version is complete, and so the one that may be saved and confirmed.
// A position further ahead would skip, after a crash, the versions that were still in
// flight before it.
//
// Publishing, its retries and what becomes of a version that cannot be published are the
// caller's, in the function passed to [New]. This package has no clock and does no I/O.
package inflight

import (
	"context"
	"sync"
	"time"

	"orderflow/internal/postgres"
)

// maxBytes bounds the memory of the versions in flight. A bigger version is published
// alone.
const maxBytes = 64 << 20

// Versions are the versions of a source that are queued or being published. It is safe
// for concurrent use.
type Versions struct {
	limit   int // how many there may be
	publish func(context.Context, postgres.Version) error
	work    context.Context // of every publish
	cancel  context.CancelFunc
	running sync.WaitGroup // the workers
	idle    chan string    // hands an order to a worker that waits for one
	freed   chan struct{}  // holds a token after a version was completed

	mu        sync.Mutex
	queues    map[string][]queued // by order; a key exists while its queue is being processed
	progress  progress
	count     int
	bytes     int
	completed uint64
	newest    int64 // the highest id that was added
}

// queued is a version in its order's queue.
type queued struct {
	postgres.Version
	seq sequence
}

// New returns an empty set for a source whose versions with ids up to through are
// complete. The caller must call Stop.
//
// publish is called for each version, concurrently for different orders. It returns nil
// once the version is complete, and an error only if its context has ended; the version's
// outcome is then unknown. That context has the values of ctx, and ends with Stop.
func New(ctx context.Context, limit int, through int64, publish func(context.Context, postgres.Version) error) *Versions {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	return &Versions{
		limit: limit, publish: publish, work: work, cancel: cancel, idle: make(chan string), freed: make(chan struct{}, 1),
		queues: map[string][]queued{}, progress: progress{newest: through}, newest: through,
	}
}

// Enqueue adds a version, in the order of the source, and reports whether there was room
// for it.
func (v *Versions) Enqueue(version postgres.Version) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	size := version.Size()
	if v.count >= v.limit || v.count > 0 && v.bytes+size > maxBytes {
		return false
	}
	v.count++
	v.bytes += size
	v.newest = max(v.newest, version.ID)
	queue, running := v.queues[version.OrderID]
	v.queues[version.OrderID] = append(queue, queued{Version: version, seq: v.progress.add(version.ID, version.At)})
	if !running {
		v.start(version.OrderID)
	}
	return true
}

// start hands an order to a worker that waits for one, or to a new worker if all are busy.
// A worker is kept until Stop, because the stack of a new goroutine has to grow again for
// each order.
func (v *Versions) start(orderID string) {
	select {
	case v.idle <- orderID:
	default:
		v.running.Go(func() { v.serve(orderID) })
	}
}

// serve publishes the versions of an order and then those of others, until Stop.
func (v *Versions) serve(orderID string) {
	for v.run(orderID) {
		select {
		case orderID = <-v.idle:
		case <-v.work.Done():
			return
		}
	}
}

// EnqueueWait adds a version as soon as there is room. It returns an error if ctx ends
// first.
func (v *Versions) EnqueueWait(ctx context.Context, version postgres.Version) error {
	for !v.Enqueue(version) {
		select {
		case <-v.freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Freed returns a channel that receives after a version was completed, for a caller that
// waits for room.
func (v *Versions) Freed() <-chan struct{} { return v.freed }

// run publishes an order's versions until its queue is empty, and reports whether it
// became empty. After Stop nothing more is published: the remaining versions stay
// incomplete, and the source delivers them again.
func (v *Versions) run(orderID string) bool {
	for {
		next, ok := v.next(orderID)
		if !ok {
			return true
		}
		if v.publish(v.work, next.Version) != nil {
			return false
		}
		v.complete(next)
	}
}

func (v *Versions) next(orderID string) (queued, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	queue := v.queues[orderID]
	if len(queue) == 0 {
		delete(v.queues, orderID)
		return queued{}, false
	}
	v.queues[orderID] = queue[1:]
	return queue[0], true
}

func (v *Versions) complete(done queued) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.count--
	v.bytes -= done.Size()
	v.completed++
	v.progress.complete(done.seq)
	select {
	case v.freed <- struct{}{}:
	default:
	}
}

// Reach records that the versions added so far are all there are before a position of the
// source.
func (v *Versions) Reach(position uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress.reach(position)
}

// State is how far publishing has got at one moment.
type State struct {
	Reached   uint64 // the position before which every version is complete
	Completed uint64 // versions
	InFlight  int    // versions
}

// State returns how far publishing has got.
func (v *Versions) State() State {
	v.mu.Lock()
	defer v.mu.Unlock()
	return State{Reached: v.progress.reached, Completed: v.completed, InFlight: v.count}
}

// Published returns an id such that every version added so far with an id up to it is
// complete.
func (v *Versions) Published() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.progress.published()
}

// Oldest returns when the oldest version in flight was committed, zero if there is none,
// and the highest id that was added.
func (v *Versions) Oldest() (since time.Time, newest int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	since, _ = v.progress.oldest()
	return since, v.newest
}

// Drain returns once nothing is in flight. It returns an error if ctx ends first.
func (v *Versions) Drain(ctx context.Context) error {
	for v.State().InFlight > 0 {
		select {
		case <-v.freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Stop ends the context of every publish and waits until they have returned.
func (v *Versions) Stop() {
	v.cancel()
	v.running.Wait()
}
