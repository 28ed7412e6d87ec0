package subscription

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// maxBuffered bounds the messages a group holds, whatever its settings say.
const maxBuffered = 10_000

// flight is a message a consumer has and has not answered for.
type flight struct {
	message *Message
	member  *member
	due     time.Time
}

// Engine is the state of one group. It is not safe for concurrent use.
type Engine struct {
	settings Settings
	strategy strategy
	members  []*member
	fresh    []*Message            // never offered, in order
	retry    []*Message            // to be offered first: by place, replayed ones behind
	inFlight map[uuid.UUID]*flight // by message id
	parking  map[*Message]string   // being written to the parked stream, with the reason
	pending  []Parking             // to be written to the parked stream
	fed      int64                 // messages fed
	known    *Message              // the newest that was offered, or passed over
	last     int64                 // place of the newest that was offered
	mark     checkpointMark
	total    int64 // deliveries
}

// New returns the state of a group that has been checkpointed at a place, or at None.
func New(settings Settings, checkpointed int64, now time.Time) *Engine {
	return &Engine{
		settings: settings,
		strategy: newStrategy(settings.Strategy),
		inFlight: map[uuid.UUID]*flight{},
		parking:  map[*Message]string{},
		last:     None,
		mark:     checkpointMark{sequence: -1, place: checkpointed, at: now},
	}
}

// Connect adds a consumer that takes at most buffer messages at a time.
func (e *Engine) Connect(c Consumer, buffer int) {
	m := &member{consumer: c, buffer: min(buffer, maxBuffered)}
	e.members = append(e.members, m)
	e.strategy.add(m)
}

// Consumers is the number of connected consumers.
func (e *Engine) Consumers() int { return len(e.members) }

// Disconnect removes a consumer. What it had goes back, one delivery older, and is never parked for that: it is not the
// message's fault.
func (e *Engine) Disconnect(c Consumer) {
	i := slices.IndexFunc(e.members, func(m *member) bool { return m.consumer == c })
	if i < 0 {
		return
	}
	gone := e.members[i]
	e.members = slices.Delete(e.members, i, i+1)
	e.strategy.remove(gone)
	for _, f := range e.flights(func(f *flight) bool { return f.member == gone }) {
		e.land(f)
		f.message.RetryCount++
		e.requeue(f.message)
	}
}

// Room is how many new messages the engine wants to be fed.
func (e *Engine) Room() int {
	if len(e.members) == 0 {
		return 0
	}
	return max(0, e.limit()-len(e.fresh)-len(e.retry))
}

// ReplayRoom is how many parked messages the engine takes back, with or without consumers.
func (e *Engine) ReplayRoom() int { return max(0, e.limit()-len(e.retry)) }

func (e *Engine) limit() int {
	return min(max(e.settings.HistoryBuffer, e.settings.ReadBatch, 1), maxBuffered)
}

// Feed adds new messages, in order.
func (e *Engine) Feed(messages []*Message) {
	for _, m := range messages {
		e.fed += max(int64(m.Skipped), 1)
		m.sequence = e.fed - 1
	}
	e.fresh = append(e.fresh, messages...)
}

// Replay adds messages that were parked, behind everything that waits to be offered again.
func (e *Engine) Replay(messages []*Message) {
	for _, m := range messages {
		m.Replayed, m.RetryCount = true, 0
		e.requeue(m)
	}
}

// Pump offers what waits to whoever has room: what is offered again first, then what is new.
func (e *Engine) Pump(now time.Time) {
	for _, m := range e.members {
		m.stalled = false
	}
	waiting, full := e.retry[:0:0], false
	for i, m := range e.retry {
		switch e.offer(m, now) {
		case skipped:
			waiting = append(waiting, m)
		case exhausted:
			waiting, full = append(waiting, e.retry[i:]...), true
		}
		if full {
			break
		}
	}
	e.retry = waiting
	for !full && len(e.fresh) > 0 && len(e.retry) < maxBuffered {
		m := e.fresh[0]
		switch e.first(m, now) {
		case exhausted:
			return
		case skipped:
			e.requeue(m)
		}
		e.fresh[0], e.fresh = nil, e.fresh[1:]
	}
}

// first offers a new message, or passes over what a filter left out.
func (e *Engine) first(m *Message, now time.Time) outcome {
	if m.Skipped > 0 {
		e.known = m
		return sent
	}
	return e.offer(m, now)
}

func (e *Engine) offer(m *Message, now time.Time) outcome {
	to, result := e.strategy.pick(m)
	if result != sent {
		return result
	}
	if !to.consumer.Offer(*m) {
		to.stalled = true
		return e.offer(m, now)
	}
	e.total++
	if !m.Replayed && (e.known == nil || m.sequence > e.known.sequence) {
		e.known, e.last = m, m.Place
	}
	if _, twice := e.inFlight[m.ID()]; !twice { // the second of two equal ids is delivered, and not followed
		e.inFlight[m.ID()] = &flight{message: m, member: to, due: now.Add(e.settings.MessageTimeout)}
		to.inFlight++
	}
	return sent
}

// Ack settles messages. Ids nobody has are ignored; an answer that comes after a redelivery settles that one.
func (e *Engine) Ack(ids []uuid.UUID) {
	for _, id := range ids {
		if f, ok := e.inFlight[id]; ok {
			e.land(f)
		}
	}
}

// Nack settles messages the way the consumer asks for.
func (e *Engine) Nack(ids []uuid.UUID, action Action, reason string) {
	for _, id := range ids {
		f, ok := e.inFlight[id]
		if !ok {
			continue
		}
		e.land(f)
		switch action {
		case Retry:
			e.again(f.message)
		case Park:
			e.park(f.message, "Client explicitly NAK'ed message.\n"+reason)
		case Skip, Stop:
		}
	}
}

// Tick takes back what was not answered for in time.
func (e *Engine) Tick(now time.Time) {
	for _, f := range e.flights(func(f *flight) bool { return !f.due.After(now) }) {
		e.land(f)
		e.again(f.message)
	}
}

// again offers a message once more, or parks it when it has been offered often enough.
func (e *Engine) again(m *Message) {
	if m.RetryCount >= e.settings.MaxRetryCount {
		e.park(m, fmt.Sprintf("Reached retry count of %d", e.settings.MaxRetryCount))
		return
	}
	m.RetryCount++
	e.requeue(m)
}

// land ends a flight and frees its slot.
func (e *Engine) land(f *flight) {
	delete(e.inFlight, f.message.ID())
	f.member.inFlight--
}

// requeue keeps the order of places; replayed messages stand behind.
func (e *Engine) requeue(m *Message) {
	i, _ := slices.BinarySearchFunc(e.retry, m, compareRetry)
	for i < len(e.retry) && compareRetry(e.retry[i], m) == 0 {
		i++
	}
	e.retry = slices.Insert(e.retry, i, m)
}

func compareRetry(a, b *Message) int {
	switch {
	case a.Replayed && b.Replayed:
		return 0 // in the order they came
	case a.Replayed:
		return 1
	case b.Replayed:
		return -1
	}
	return cmp.Compare(a.sequence, b.sequence)
}

// flights returns the chosen flights in the order of their messages.
func (e *Engine) flights(chosen func(*flight) bool) []*flight {
	var found []*flight
	for _, f := range e.inFlight {
		if chosen(f) {
			found = append(found, f)
		}
	}
	slices.SortFunc(found, func(a, b *flight) int {
		return cmp.Or(compareRetry(a.message, b.message), cmp.Compare(a.message.Place, b.message.Place))
	})
	return found
}
