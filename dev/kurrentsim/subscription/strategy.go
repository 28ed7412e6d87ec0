package subscription

import (
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"orderflow/dev/kurrentsim/store"
)

// Strategy is how messages are shared among consumers.
type Strategy string

// Strategies.
const (
	RoundRobin          Strategy = "RoundRobin"
	DispatchToSingle    Strategy = "DispatchToSingle"
	Pinned              Strategy = "Pinned"
	PinnedByCorrelation Strategy = "PinnedByCorrelation"
)

// Known reports whether s is one of the strategies.
func (s Strategy) Known() bool {
	return slices.Contains([]Strategy{RoundRobin, DispatchToSingle, Pinned, PinnedByCorrelation}, s)
}

// outcome is the result of offering a message.
type outcome int

const (
	sent      outcome = iota
	skipped           // its consumer has no room; others may have
	exhausted         // no consumer has room
)

// member is a connected consumer.
type member struct {
	consumer Consumer
	buffer   int
	inFlight int
	total    int64
	stalled  bool            // refused a message in this round
	settled  []time.Duration // times until the newest acknowledgements, oldest first
	buckets  int             // assigned by pinned
}

func (m *member) free() bool { return !m.stalled && m.inFlight < m.buffer }

// strategy picks the consumer of a message.
type strategy interface {
	add(*member)
	remove(*member)
	pick(*Message) (*member, outcome)
}

func newStrategy(s Strategy) strategy {
	switch s {
	case DispatchToSingle:
		return &rotation{stay: true}
	case Pinned:
		return &pinned{key: (*Message).SourceStream}
	case PinnedByCorrelation:
		return &pinned{key: correlationKey}
	case RoundRobin:
	}
	return &rotation{}
}

// rotation rotates through the consumers that have room: with every message, or, if stay
// is set, only when one is full.
type rotation struct {
	members []*member
	next    int
	stay    bool
}

func (r *rotation) add(m *member) { r.members = append(r.members, m) }

func (r *rotation) remove(m *member) {
	i := slices.Index(r.members, m)
	r.members = slices.Delete(r.members, i, i+1)
	if r.next > i {
		r.next--
	}
}

func (r *rotation) pick(*Message) (*member, outcome) {
	for i := range r.members {
		at := (r.next + i) % len(r.members)
		if !r.members[at].free() {
			continue
		}
		r.next = at
		if !r.stay {
			r.next = at + 1
		}
		return r.members[at], sent
	}
	return nil, exhausted
}

// bucketCount is a real server's number of buckets.
const bucketCount = 1024

// pinned sends all messages with one key to one consumer, as long as the set of consumers
// does not change.
type pinned struct {
	key     func(*Message) string
	members []*member
	buckets [bucketCount]*member
}

func correlationKey(m *Message) string {
	if m.Event.Event != nil {
		if id := store.CorrelationID(m.Event.Event); id != "" {
			return id
		}
	}
	return m.SourceStream()
}

// add takes buckets from the consumers with the most, until the new one has its share.
func (p *pinned) add(m *member) {
	p.members = append(p.members, m)
	share := bucketCount / len(p.members)
	for i := range p.buckets {
		if owner := p.buckets[i]; owner == nil {
			p.assign(i, p.least())
		} else if m.buckets < share && owner.buckets > share {
			p.assign(i, m)
		}
	}
}

func (p *pinned) remove(m *member) {
	p.members = slices.DeleteFunc(p.members, func(other *member) bool { return other == m })
	for i := range p.buckets {
		if p.buckets[i] == m {
			p.assign(i, p.least())
		}
	}
}

func (p *pinned) assign(bucket int, to *member) {
	if from := p.buckets[bucket]; from != nil {
		from.buckets--
	}
	p.buckets[bucket] = to
	if to != nil {
		to.buckets++
	}
}

func (p *pinned) least() *member {
	var least *member
	for _, m := range p.members {
		if least == nil || m.buckets < least.buckets {
			least = m
		}
	}
	return least
}

func (p *pinned) pick(m *Message) (*member, outcome) {
	if !slices.ContainsFunc(p.members, (*member).free) {
		return nil, exhausted
	}
	owner := p.buckets[xxhash.Sum64String(p.key(m))%bucketCount]
	if owner == nil || !owner.free() {
		return nil, skipped
	}
	return owner, sent
}
