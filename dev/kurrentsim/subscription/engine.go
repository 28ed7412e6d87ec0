package subscription

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// maxBuffered limits the messages that a group reads ahead, whatever its settings.
const maxBuffered = 10_000

// delivery is a message that a consumer has received and not yet settled.
type delivery struct {
	message *Message
	member  *member
	sent    time.Time
	due     time.Time
}

// Engine is the state of one group. It is not safe for concurrent use.
type Engine struct {
	settings Settings
	strategy strategy
	members  []*member
	fresh    []*Message              // never offered, in order
	retry    []*Message              // to be offered first: by place, replayed messages last
	inFlight map[uuid.UUID]*delivery // by message id
	parking  map[*Message]string     // being written to the parked stream, with the reason
	pending  []Parking               // to be written to the parked stream
	gaps     int                     // messages in fresh that stand for events a filter left out
	fed      int64                   // messages fed
	known    *Message                // the newest message that was offered, or left out by the filter
	mark     checkpointMark
	total    int64 // deliveries
}

// New returns the state of a group whose checkpoint is at a place, or at None. Its next
// checkpoint is due by time as soon as it covers the minimum, however long
// CheckpointAfter is.
func New(settings Settings, checkpointed int64) *Engine {
	return &Engine{
		settings: settings,
		strategy: newStrategy(settings.Strategy),
		inFlight: map[uuid.UUID]*delivery{},
		parking:  map[*Message]string{},
		mark:     checkpointMark{sequence: -1, place: checkpointed},
	}
}

// Connect adds a consumer that takes at most buffer messages at a time. It gets none
// before the next Pump.
func (e *Engine) Connect(c Consumer, buffer int) {
	m := &member{consumer: c, buffer: buffer}
	e.members = append(e.members, m)
	e.strategy.add(m)
}

// Consumers returns the number of connected consumers.
func (e *Engine) Consumers() int { return len(e.members) }

// Disconnect removes a consumer. Its messages go back to the group with their delivery
// count increased. They are never parked for that, because the message did not cause it.
func (e *Engine) Disconnect(c Consumer) {
	i := slices.IndexFunc(e.members, func(m *member) bool { return m.consumer == c })
	if i < 0 {
		return
	}
	gone := e.members[i]
	e.members = slices.Delete(e.members, i, i+1)
	e.strategy.remove(gone)
	for _, f := range e.deliveries(func(f *delivery) bool { return f.member == gone }) {
		e.release(f)
		f.message.RetryCount++
		e.requeue(f.message)
	}
}

// Room returns how many more messages may be read from the history of the stream at a
// time. It returns 0 until that many messages would leave the buffer some space. The
// number of consumers does not matter.
func (e *Engine) Room() int {
	batch := e.settings.ReadBatch
	if batch <= 0 || e.limit()-e.buffered()-len(e.retry) <= batch {
		return 0
	}
	return batch
}

// LiveRoom returns how many newly appended messages have room in the buffer.
func (e *Engine) LiveRoom() int { return max(0, e.limit()-e.buffered()) }

// ReplayRoom returns how many parked messages the engine accepts, with or without
// consumers.
func (e *Engine) ReplayRoom() int { return max(0, e.limit()-len(e.retry)) }

func (e *Engine) limit() int {
	return min(max(e.settings.HistoryBuffer, 1), maxBuffered)
}

// Feed adds new messages, in order. Events that a filter left out take no room, even if
// nothing else is fed for a long time.
func (e *Engine) Feed(messages []*Message) {
	for _, m := range messages {
		e.fed += max(int64(m.Skipped), 1)
		m.sequence = e.fed - 1
		if n := len(e.fresh); m.Skipped > 0 && n > 0 && e.fresh[n-1].Skipped > 0 {
			m.Previous, m.Skipped = e.fresh[n-1].Previous, m.Skipped+e.fresh[n-1].Skipped
			e.fresh[n-1] = m
			continue
		}
		if m.Skipped > 0 {
			e.gaps++
		}
		e.fresh = append(e.fresh, m)
	}
}

// buffered returns how many messages wait to be offered for the first time.
func (e *Engine) buffered() int { return len(e.fresh) - e.gaps }

// Replay adds messages that were parked, behind everything that waits for a retry.
func (e *Engine) Replay(messages []*Message) {
	for _, m := range messages {
		m.Replayed, m.RetryCount = true, 0
		e.requeue(m)
	}
}

// Pump offers waiting messages to consumers with room: retries first, then new messages.
func (e *Engine) Pump(now time.Time) {
	for _, m := range e.members {
		m.stalled = false
	}
	var full bool
	if e.retry, full = e.offerAll(e.retry, now); !full {
		e.fresh, _ = e.offerAll(e.fresh, now)
	}
}

// offerAll offers messages in order until no consumer has room, and returns those that
// remain. A message whose own consumer is full keeps its place, and others pass it.
func (e *Engine) offerAll(messages []*Message, now time.Time) (waiting []*Message, full bool) {
	for i, m := range messages {
		switch e.first(m, now) {
		case skipped:
			waiting = append(waiting, m)
		case exhausted:
			if len(waiting) == 0 {
				return messages[i:], true
			}
			return append(waiting, messages[i:]...), true
		}
	}
	return waiting, false
}

// first offers a message, or skips over the events that a filter left out.
func (e *Engine) first(m *Message, now time.Time) outcome {
	if m.Skipped > 0 {
		e.known = m
		e.gaps--
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
	to.total++
	if !m.Replayed && (e.known == nil || m.sequence > e.known.sequence) {
		e.known = m
	}
	if _, twice := e.inFlight[m.ID()]; !twice { // of two equal ids the second is delivered but not tracked
		e.inFlight[m.ID()] = &delivery{message: m, member: to, sent: now, due: now.Add(e.settings.MessageTimeout)}
		to.inFlight++
	}
	return sent
}

// Ack settles messages. It ignores unknown ids. An acknowledgement that arrives after a
// redelivery settles the redelivery.
func (e *Engine) Ack(ids []uuid.UUID, now time.Time) {
	for _, id := range ids {
		if f, ok := e.inFlight[id]; ok {
			e.release(f)
			if e.settings.ExtraStatistics {
				f.member.observe(now.Sub(f.sent))
			}
		}
	}
}

// Nack settles messages with the action that the consumer requested.
func (e *Engine) Nack(ids []uuid.UUID, action Action, reason string) {
	for _, id := range ids {
		f, ok := e.inFlight[id]
		if !ok {
			continue
		}
		e.release(f)
		switch action {
		case Retry:
			e.retryOrPark(f.message)
		case Park:
			e.park(f.message, "Client explicitly NAK'ed message.\n"+reason)
		case Skip, Stop:
		}
	}
}

// Tick takes back messages whose timeout has expired.
func (e *Engine) Tick(now time.Time) {
	for _, f := range e.deliveries(func(f *delivery) bool { return !f.due.After(now) }) {
		e.release(f)
		e.retryOrPark(f.message)
	}
}

// retryOrPark schedules a message for redelivery, or parks it if it has reached the retry
// limit.
func (e *Engine) retryOrPark(m *Message) {
	if m.RetryCount >= e.settings.MaxRetryCount {
		e.park(m, fmt.Sprintf("Reached retry count of %d", e.settings.MaxRetryCount))
		return
	}
	m.RetryCount++
	e.requeue(m)
}

// release ends a delivery and frees its consumer's slot.
func (e *Engine) release(f *delivery) {
	delete(e.inFlight, f.message.ID())
	f.member.inFlight--
}

// requeue keeps messages ordered by place; replayed messages come last.
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
		return 0 // in the order of arrival
	case a.Replayed:
		return 1
	case b.Replayed:
		return -1
	}
	return cmp.Compare(a.sequence, b.sequence)
}

// deliveries returns the matching deliveries in the order of their messages.
func (e *Engine) deliveries(chosen func(*delivery) bool) []*delivery {
	var found []*delivery
	for _, f := range e.inFlight {
		if chosen(f) {
			found = append(found, f)
		}
	}
	slices.SortFunc(found, func(a, b *delivery) int {
		return cmp.Or(compareRetry(a.message, b.message), cmp.Compare(a.message.Place, b.message.Place))
	})
	return found
}
