package store

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"orderflow/dev/kurrentsim/journal"
)

// Config is the configuration of a store.
type Config struct {
	Storage journal.Storage
	Now     func() time.Time // nil means time.Now
	// ProjectionDelay is how long the streams of the system projections lag behind the
	// events they link to. The global order, which links share with their events, has no
	// lag.
	ProjectionDelay time.Duration
	// HiddenLinks are events whose link in $ce- no reader sees.
	HiddenLinks []Target
	// WithoutProjections simulates a server that was started without projections: nothing
	// is linked as long as the store is open.
	WithoutProjections bool
}

// Store is safe for concurrent use.
type Store struct {
	journal *journal.Journal
	now     func() time.Time
	delay   time.Duration
	hidden  hiddenLinks
	isNew   bool

	mu        sync.RWMutex
	index     *index
	committed uint32        // ordinals below are durable, and visible to readers
	changed   chan struct{} // closed, and replaced, when there is more to see
	recent    recentIDs
	bodies    bodyCache

	projections [derivedKinds]projection // by the kind of link they write
	clock       int64                    // the last creation time, which never goes backwards
}

// Open reads the journal and returns the store and the number of bytes cut from a torn
// tail.
func Open(c Config) (*Store, int64, error) {
	s := &Store{
		now: c.Now, delay: c.ProjectionDelay, hidden: newHiddenLinks(c.HiddenLinks),
		index: newIndex(), changed: make(chan struct{}), recent: newRecentIDs(),
	}
	if s.now == nil {
		s.now = time.Now
	}
	j, cut, err := journal.Open(c.Storage, func(offset int64, payload []byte) error {
		return eachRecord(payload, offset, func(r *Record) error {
			s.apply(r)
			return nil
		})
	})
	if err != nil {
		return nil, 0, fmt.Errorf("open event log: %w", err)
	}
	s.journal = j
	s.committed = s.index.count
	s.openProjections(c.WithoutProjections)
	s.isNew = s.committed == 0
	if s.isNew {
		err = s.seed()
	}
	if err != nil {
		return nil, 0, errors.Join(err, j.Close())
	}
	return s, cut, nil
}

// IsNew reports whether the journal was empty when the store was opened.
func (s *Store) IsNew() bool { return s.isNew }

// Close syncs and closes the journal. The store must not be used afterwards.
func (s *Store) Close() error { return s.journal.Close() }

// Changed returns a channel that is closed when there is more to read than at the time of
// the call. Take it before reading, and wait on it after.
func (s *Store) Changed() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.changed
}

// apply adds a record, and the links derived from it, to the index.
func (s *Store) apply(r *Record) {
	s.index.add(r.Stream, s.index.internType(r.Type), r.Position, r.Revision == DeletedRevision)
	s.clock = max(s.clock, r.Created)
	s.applyProjection(r)
	if original, ok := originalOf(r.Stream); ok && !isMetastream(original) {
		_, described := s.index.intern(original)
		described.meta = parseMetadata(r)
	}
	for _, l := range derive(r) {
		if target := s.index.find(l.stream); target != nil && target.deleted {
			continue
		}
		s.index.add(l.stream, l.kind, r.Position+1+uint64(l.kind), false)
	}
}

// publish makes everything before ordinal visible to readers.
func (s *Store) publish(ordinal uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ordinal <= s.committed {
		return
	}
	s.committed = ordinal
	s.publishLinks(ordinal)
	s.announce()
}

// announce wakes callers that wait for more to read. The caller must hold the lock.
func (s *Store) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}
