package sessim

import (
	"crypto/md5" //nolint:gosec // SQS's own checksum of a body, which its clients verify
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// The limits of a queue, as of SQS.
const (
	defaultVisibility = 30 * time.Second
	maxVisibility     = 12 * time.Hour
	maxReceive        = 10
	maxWait           = 20 * time.Second
	maxQueued         = 120_000 // in flight, in the real service; here all messages
)

// queued is a message in a queue.
type queued struct {
	id       string
	body     string
	sent     time.Time
	first    time.Time // of the first receive
	receives int
	receipt  string    // of the latest receive
	hidden   time.Time // invisible until then
}

func (m *queued) md5() string {
	sum := md5.Sum([]byte(m.body)) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}

// queue keeps messages until they are deleted. A received message is invisible for its
// visibility timeout, and is then received again, as often as it takes. With a redrive
// policy, a message that was received too often moves to the dead-letter queue instead.
type queue struct {
	name string
	dead *queue // nil: no redrive policy
	most int    // receives before a message moves to dead
	now  func() time.Time

	mu       sync.Mutex
	messages []*queued
	arrived  chan struct{} // closed when a message arrives
}

func newQueue(name string, dead *queue, most int) *queue {
	return &queue{name: name, dead: dead, most: most, now: time.Now, arrived: make(chan struct{})}
}

// send adds a message and returns it. It reports false if the queue is full.
func (q *queue) send(body string) (*queued, bool) {
	m := &queued{id: uuid.NewString(), body: body, sent: q.now()}
	return m, q.add(m)
}

func (q *queue) add(m *queued) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.messages) >= maxQueued {
		return false
	}
	q.messages = append(q.messages, m)
	close(q.arrived)
	q.arrived = make(chan struct{})
	return true
}

// receive returns copies of up to most visible messages and hides them. It waits for the
// first one until wait ends, which is how long polling works.
func (q *queue) receive(done <-chan struct{}, most int, visibility, wait time.Duration) []queued {
	end := time.NewTimer(wait)
	defer end.Stop()
	for {
		found, arrived, next := q.take(most, visibility)
		if len(found) > 0 {
			return found
		}
		visible := time.NewTimer(next)
		select {
		case <-arrived:
		case <-visible.C:
		case <-end.C:
			visible.Stop()
			return nil
		case <-done:
			visible.Stop()
			return nil
		}
		visible.Stop()
	}
}

// take returns the visible messages, or what to wait for: an arrival, or the time until
// the next message becomes visible.
func (q *queue) take(most int, visibility time.Duration) (found []queued, arrived <-chan struct{}, next time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	next = maxWait
	var moved []*queued
	q.messages = slices.DeleteFunc(q.messages, func(m *queued) bool {
		switch {
		case m.hidden.After(now):
			next = min(next, m.hidden.Sub(now))
			return false
		case q.dead != nil && m.receives >= q.most:
			moved = append(moved, m)
			return true
		case len(found) >= most:
			return false
		}
		m.receives, m.receipt, m.hidden = m.receives+1, uuid.NewString(), now.Add(visibility)
		if m.first.IsZero() {
			m.first = now
		}
		found = append(found, *m)
		return false
	})
	for _, m := range moved {
		m.receives, m.receipt, m.hidden, m.first = 0, "", time.Time{}, time.Time{}
		q.dead.add(m)
	}
	return found, q.arrived, next
}

// remove deletes the message of the latest receipt. An older receipt deletes nothing, and
// is no error.
func (q *queue) remove(receipt string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = slices.DeleteFunc(q.messages, func(m *queued) bool { return m.receipt == receipt })
}

// hide sets how long a message that is in flight stays invisible. It reports false for
// one that is not in flight.
func (q *queue) hide(receipt string, visibility time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	for _, m := range q.messages {
		if m.receipt == receipt && m.hidden.After(now) {
			m.hidden = now.Add(visibility)
			if visibility == 0 { // a consumer may wait for it already
				close(q.arrived)
				q.arrived = make(chan struct{})
			}
			return true
		}
	}
	return false
}

// counts returns how many messages are visible and how many are in flight.
func (q *queue) counts() (visible, inFlight int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	for _, m := range q.messages {
		if m.hidden.After(now) {
			inFlight++
		} else {
			visible++
		}
	}
	return visible, inFlight
}

func (q *queue) purge() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = nil
}

// expire ends the visibility timeout of every message.
func (q *queue) expire() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		m.hidden = time.Time{}
	}
	close(q.arrived)
	q.arrived = make(chan struct{})
}
