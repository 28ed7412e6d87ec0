package main

import (
	"context"
	"sync"
	"time"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// heldEvent is one event in hand, with how its attempts went.
type heldEvent struct {
	delivery kurrent.Delivery
	release  func()          // gives the slot to another event; may be called twice
	stopping <-chan struct{} // closed when the bridge stops
	refusals int             // in a row
	aside    bool            // waits in the room, without a slot
	keyless  bool            // waits for a key of the payload codec
}

// cancels returns the stream of the order that the event cancels, and reports whether it is known to cancel one.
func (t *heldEvent) cancels() (stream string, yes bool) {
	e := t.delivery.Event
	if e == nil || e.Type != order.TypeCancellationRequested {
		return "", false
	}
	return e.Stream, true
}

// pause waits between two attempts. What waits aside does not keep the bridge from stopping.
func (t *heldEvent) pause(ctx context.Context, d time.Duration) {
	var stopping <-chan struct{}
	if t.aside {
		stopping = t.stopping
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-stopping:
	case <-timer.C:
	}
}

func (t *heldEvent) stopped() bool {
	select {
	case <-t.stopping:
		return true
	default:
		return false
	}
}

// waitingRoom holds the events that wait for their order. They need no slot, so that they hold up no other event. The
// zero value is empty; it is safe for concurrent use.
type waitingRoom struct {
	mu      sync.Mutex
	cancels map[string]*heldEvent // by stream, the cancellation that waits until the order's workflow takes messages again
	refused map[string]time.Time  // by event, when its refusals began: it may be given back and come again meanwhile
	size    int
	keyless int // events that wait for a key of the payload codec
}

// enter reports whether there is room, and whether t is a cancellation whose order another waiting one cancels already.
// Events of other types have no part in that: each waits for itself.
func (r *waitingRoom) enter(t *heldEvent, meaning answer, room int) (entered, carried bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	stream, cancels := t.cancels()
	cancels = cancels && meaning == answerFull
	if first := r.cancels[stream]; cancels && first != nil && name(first.delivery) != name(t.delivery) {
		return false, true
	}
	if r.size >= room {
		return false, false
	}
	if cancels {
		if r.cancels == nil {
			r.cancels = map[string]*heldEvent{}
		}
		r.cancels[stream] = t
	}
	r.size++
	return true, false
}

func (r *waitingRoom) leave(t *heldEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stream, _ := t.cancels(); r.cancels[stream] == t {
		delete(r.cancels, stream)
	}
	r.size--
}

// maxRefused bounds the refused events remembered: other starters may have taken them over.
const maxRefused = 4096

// refusedFor returns how long an event has been refused, zero the first time.
func (r *waitingRoom) refusedFor(event string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, known := r.refused[event]
	if known {
		return time.Since(since)
	}
	if r.refused == nil || len(r.refused) >= maxRefused {
		r.refused = map[string]time.Time{}
	}
	r.refused[event] = time.Now()
	return 0
}

// forget ends an event's refusals.
func (r *waitingRoom) forget(event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.refused, event)
}

func (r *waitingRoom) occupied() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.size > 0
}

// lacksKey counts the events that wait for a key, and returns how many there are now.
func (r *waitingRoom) lacksKey(change int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keyless += change
	return r.keyless
}

// stepAside has an event wait outside of the slots, or in its slot if too many wait. It reports whether the event need not
// wait, because an earlier one does: an order is canceled by its first cancellation.
func (b *bridge) stepAside(t *heldEvent, meaning answer, cause error) (carried bool) {
	if meaning == answerUnreadable && !t.keyless {
		t.keyless = true
		b.room.lacksKey(1)
		b.obstacles.found(obstacleCodec, "what workflows were started with cannot be decoded: give this process their codec with every key",
			b.metrics, b.logger)
	}
	if t.aside {
		return false
	}
	if t.aside, carried = b.room.enter(t, meaning, b.concurrency); t.aside {
		b.metrics.waiting.Inc()
		b.logger.Info("event waits for its order", "event", name(t.delivery), "error", cause)
		t.release()
	}
	return carried
}

// comeBack ends an event's wait.
func (b *bridge) comeBack(t *heldEvent) {
	if t.aside {
		b.room.leave(t)
		b.metrics.waiting.Dec()
	}
	if t.keyless {
		// The event may have been given back, and come again at once.
		time.AfterFunc(firstWait*10, func() {
			if b.room.lacksKey(-1) == 0 {
				b.obstacles.found(obstacleCodec, "", b.metrics, b.logger)
			}
		})
	}
}
