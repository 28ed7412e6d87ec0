package main

import (
	"context"
	"sync"
	"time"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/routes"
)

// heldEvent is one event in hand, with the state of its attempts.
type heldEvent struct {
	delivery kurrent.Delivery
	release  func()          // frees the slot for another event; may be called twice
	stopping <-chan struct{} // closed when the bridge stops
	refusals int             // in a row
	slotless bool            // idle without a slot
	keyless  bool            // idle for a key of the payload codec
}

// cancels returns the stream of the order that the event cancels, and reports whether the
// event is known to be a cancellation.
func (t *heldEvent) cancels() (stream string, yes bool) {
	e := t.delivery.Event
	if e == nil || e.Type != order.TypeCancellationRequested {
		return "", false
	}
	return e.Stream, true
}

// pause waits between two attempts. An event without a slot does not keep the bridge from
// stopping.
func (t *heldEvent) pause(ctx context.Context, d time.Duration) {
	var stopping <-chan struct{}
	if t.slotless {
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

// waitingEvents are the events that wait for their order. They need no slot, so they do
// not block other events. The zero value is empty. It is safe for concurrent use.
type waitingEvents struct {
	mu      sync.Mutex
	cancels map[string]*heldEvent // by stream, the cancellation that waits until the order's workflow accepts messages again
	refused map[string]time.Time  // by event, when its refusals began; it may be returned and redelivered meanwhile
	size    int
	keyless int // events that wait for a key of the payload codec
}

// add adds t and reports whether it did: there must be room. It also reports whether t is
// covered: another waiting event cancels the same order already. That applies to
// cancellations alone; events of other types each wait separately.
func (w *waitingEvents) add(t *heldEvent, meaning routes.Class, room int) (added, covered bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	stream, cancels := t.cancels()
	cancels = cancels && meaning == routes.ClassBusy
	if first := w.cancels[stream]; cancels && first != nil && eventName(first.delivery) != eventName(t.delivery) {
		return false, true
	}
	if w.size >= room {
		return false, false
	}
	if cancels {
		if w.cancels == nil {
			w.cancels = map[string]*heldEvent{}
		}
		w.cancels[stream] = t
	}
	w.size++
	return true, false
}

func (w *waitingEvents) remove(t *heldEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if stream, _ := t.cancels(); w.cancels[stream] == t {
		delete(w.cancels, stream)
	}
	w.size--
}

// maxRefused bounds the refused events remembered, for other starters may have taken them
// over.
const maxRefused = 4096

// refusedFor returns how long an event has been refused, or zero the first time.
func (w *waitingEvents) refusedFor(event string) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	since, known := w.refused[event]
	if known {
		return time.Since(since)
	}
	if w.refused == nil || len(w.refused) >= maxRefused {
		w.refused = map[string]time.Time{}
	}
	w.refused[event] = time.Now()
	return 0
}

// clearRefusals forgets an event's refusals.
func (w *waitingEvents) clearRefusals(event string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.refused, event)
}

func (w *waitingEvents) nonEmpty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size > 0
}

// addKeyless changes the count of events that wait for a key, and returns the new count.
func (w *waitingEvents) addKeyless(change int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keyless += change
	return w.keyless
}

// waitWithoutSlot makes an event wait outside of the slots, or in its slot if too many
// wait. It reports whether the event is covered by an earlier cancellation and need not
// wait, for the first cancellation cancels the order.
func (b *bridge) waitWithoutSlot(t *heldEvent, meaning routes.Class, cause error) (covered bool) {
	if meaning == routes.ClassUndecodable && !t.keyless {
		t.keyless = true
		b.waiting.addKeyless(1)
		b.obstacles.set(obstacleCodec, "the inputs of workflows cannot be decoded: configure this process with their codec and every key",
			b.metrics, b.logger)
	}
	if t.slotless {
		return false
	}
	if t.slotless, covered = b.waiting.add(t, meaning, b.concurrency); t.slotless {
		b.metrics.waiting.Inc()
		b.logger.Info("event waiting for its order", "event", eventName(t.delivery), "error", cause)
		t.release()
	}
	return covered
}

// stopWaiting ends an event's wait.
func (b *bridge) stopWaiting(t *heldEvent) {
	if t.slotless {
		b.waiting.remove(t)
		b.metrics.waiting.Dec()
	}
	if t.keyless {
		// The event may have been returned and may be redelivered at once.
		time.AfterFunc(10*retryBackoff.Min, func() {
			if b.waiting.addKeyless(-1) == 0 {
				b.obstacles.set(obstacleCodec, "", b.metrics, b.logger)
			}
		})
	}
}
