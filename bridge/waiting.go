package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"orderflow/internal/kurrent"
)

// heldEvent is one event in hand, with the state of its attempts.
type heldEvent struct {
	delivery kurrent.Delivery
	release  func()          // frees the slot for another event; may be called twice
	stopping <-chan struct{} // closed when the bridge stops
	coalesce string          // see Signal; of the last attempt
	began    time.Time       // when its attempts began
	refusals int             // in a row
	failures int             // for which no other class accounts
	slotless bool            // idle without a slot
	updating bool            // in a slot for updates, or idle without a slot until there is one
	keyless  bool            // idle for a key of the payload codec
}

// key identifies what the signal says, or is empty if each signal counts.
func (s Signal) key() string {
	if s.Coalesce == "" {
		return ""
	}
	return s.WorkflowID + "\x00" + s.Name + "\x00" + s.Coalesce
}

// name returns the position of the event for the logs, never its content.
func (t *heldEvent) name() string {
	if e := t.delivery.Event; e != nil {
		return fmt.Sprintf("%d@%s", e.Revision, e.Stream)
	}
	return string(t.delivery.Link.Data)
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

// errNoUpdateSlot means that every slot for updates is taken by one that no worker has
// accepted yet.
var errNoUpdateSlot = errors.New("too many updates wait for a worker")

// waitingEvents are the events that wait until they can take effect. They need no slot,
// so they do not block other events. The zero value is empty. It is safe for concurrent
// use.
type waitingEvents struct {
	mu      sync.Mutex
	first   map[string]*heldEvent // by coalesce, the event that waits until its workflow accepts messages again
	refused spells                // by event, when its refusals began
	early   spells                // by event, when it was first not yet time for it
	size    int                   // without updates
	updates int
	keyless int // events that wait for a key of the payload codec
}

// add adds t and reports whether it did: there must be room. It also reports whether t is
// covered: another waiting event says the same already. An event that waits for a key
// covers no other, for it may turn out to say something else.
func (w *waitingEvents) add(t *heldEvent, class Class, room int) (added, covered bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	coalesces := t.coalesce != "" && class == ClassBusy
	if first := w.first[t.coalesce]; coalesces && first != nil && first.name() != t.name() {
		return false, true
	}
	if w.size >= room {
		return false, false
	}
	if coalesces {
		if w.first == nil {
			w.first = map[string]*heldEvent{}
		}
		w.first[t.coalesce] = t
	}
	w.size++
	return true, false
}

// addUpdate adds an update, and reports whether there was room.
func (w *waitingEvents) addUpdate(room int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.updates >= room {
		return false
	}
	w.updates++
	return true
}

func (w *waitingEvents) remove(t *heldEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.updating {
		w.updates--
		return
	}
	for key, first := range w.first { // the event's own key may have changed since
		if first == t {
			delete(w.first, key)
		}
	}
	w.size--
}

// refusedFor returns how long an event has been refused, or zero the first time.
func (w *waitingEvents) refusedFor(event string) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused.length(event)
}

// earlyFor returns how long it has not been time for an event, or zero the first time.
func (w *waitingEvents) earlyFor(event string) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.early.length(event)
}

// forget forgets an event's spells.
func (w *waitingEvents) forget(event string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.refused, event)
	delete(w.early, event)
}

// forgetOthers forgets the spells of t that an attempt of this class has ended: an outage,
// for example, does not count as waiting in vain.
func (w *waitingEvents) forgetOthers(t *heldEvent, class Class) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if class != ClassNotYet {
		delete(w.early, t.name())
	}
	if class != ClassRefused && class != ClassBusy && class != ClassUndecodable {
		delete(w.refused, t.name())
		t.refusals = 0
	}
}

// spells are when something began for each event. They outlast the event's return to the
// server and its redelivery.
type spells map[string]time.Time

// maxSpells bounds the events remembered, for other bridges may have taken them over.
const maxSpells = 4096

// length returns how long a spell has lasted, or zero and begins it.
func (s *spells) length(event string) time.Duration {
	if since, known := (*s)[event]; known {
		return time.Since(since)
	}
	if *s == nil || len(*s) >= maxSpells {
		*s = spells{}
	}
	(*s)[event] = time.Now()
	return 0
}

// addKeyless changes the count of events that wait for a key, and returns the new count.
func (w *waitingEvents) addKeyless(change int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keyless += change
	return w.keyless
}

// waitWithoutSlot makes an event wait outside of the slots, or in its slot if too many
// wait. It reports whether the event is covered by an earlier one and need not wait.
func (b *Bridge) waitWithoutSlot(t *heldEvent, class Class, cause error) (covered bool) {
	if class == ClassUndecodable && !t.keyless {
		t.keyless = true
		b.waiting.addKeyless(1)
		b.setObstacle(obstacleCodec, "the inputs of workflows cannot be decoded: configure this process with their codec and every key: "+cause.Error())
	}
	if t.slotless {
		return false
	}
	if t.slotless, covered = b.waiting.add(t, class, b.o.waitingRoom()); t.slotless {
		b.metrics.addWaiting(1)
		b.o.Logger.InfoContext(t.traced(context.Background()), "event waiting", "event", t.name(), "error", cause)
		t.release()
	}
	return covered
}

// takeUpdateSlot waits for a slot for updates, outside of the other slots unless too many
// updates do. The caller must release it.
func (in *intake) takeUpdateSlot(ctx context.Context, t *heldEvent) (release func(), err error) {
	if !t.slotless && in.waiting.addUpdate(in.o.waitingUpdates()) {
		t.slotless, t.updating = true, true
		in.metrics.addWaiting(1)
		t.release()
	}
	timer := time.NewTimer(in.o.HoldTimeout - time.Since(t.began))
	defer timer.Stop()
	select {
	case in.updates <- struct{}{}:
		return func() { <-in.updates }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-t.stopping:
	case <-timer.C:
	}
	return nil, errNoUpdateSlot
}

// stopWaiting ends an event's wait.
func (b *Bridge) stopWaiting(t *heldEvent) {
	if t.slotless {
		b.waiting.remove(t)
		b.metrics.addWaiting(-1)
	}
	if t.keyless {
		// The event may have been returned and may be redelivered at once.
		time.AfterFunc(10*retryBackoff.Min, func() {
			if b.waiting.addKeyless(-1) == 0 {
				b.clearObstacle(obstacleCodec)
			}
		})
	}
}
