package store

import "github.com/google/uuid"

// check decides whether events may be appended. It returns the original result if they
// were appended before, nil if they may be written, and a *DeletedError or
// *WrongRevisionError otherwise. The rules are applied in a real server's order.
func (s *Store) check(name string, expected Expected, events []NewEvent) (*Written, error) {
	if s.tombstoned(name) {
		return nil, &DeletedError{Stream: name}
	}
	current := s.lastOf(name)
	wrong := &WrongRevisionError{Stream: name, Expected: expected, Current: current}
	if expected == StreamExists {
		if s.softDeleted(name) {
			return nil, &DeletedError{Stream: name}
		}
		if current < 0 && s.lastOf(metastream(name)) < 0 {
			return nil, wrong
		}
	}
	switch {
	case expected == Any || expected == StreamExists:
		return s.checkRecent(name, events, wrong)
	case int64(expected) < current:
		return s.checkWritten(name, expected, events, wrong)
	case int64(expected) > current:
		return nil, wrong
	}
	return nil, nil
}

// checkRecent is the weak idempotency of an append without an exact expectation: only the
// newest ids are known.
func (s *Store) checkRecent(name string, events []NewEvent, wrong error) (*Written, error) {
	var found *Written
	for i := range events {
		written, ok := s.recent.find(name, events[i].ID)
		switch {
		case !ok && i == 0:
			return nil, nil
		case !ok:
			return nil, wrong
		}
		found = &written
	}
	return found, nil
}

// checkWritten compares an append whose expected revision has passed with the events at
// the place where it would have been written.
func (s *Store) checkWritten(name string, expected Expected, events []NewEvent, wrong error) (*Written, error) {
	target := s.index.find(name)
	revision := int64(expected)
	var last Record
	for i := range events {
		revision++
		r, ok, err := s.eventAt(target, revision)
		if err != nil {
			return nil, err
		}
		if ok && r.ID == events[i].ID {
			last = r
			continue
		}
		if i == 0 && expected == NoStream && target.meta.softDeleted() {
			return nil, nil
		}
		return nil, wrong
	}
	if len(events) == 0 {
		return nil, wrong
	}
	return &Written{Revision: last.Revision, Position: last.Position}, nil
}

// readable returns the result of a repeated append. The position is that of the stream's
// event, which is read again; it is 0 if the event is hidden by now.
func (s *Store) readable(name string, w Written) Written {
	target := s.index.find(name)
	if target == nil || w.Revision < 0 || w.Revision >= int64(len(target.ordinals)) {
		return w
	}
	r, err := s.body(target.ordinals[w.Revision])
	if err != nil || target.meta.softDeleted() || w.Revision < s.firstVisible(target, target.last()) || r.Created < s.oldest(target) {
		w.Position = 0
	}
	return w
}

func (s *Store) eventAt(target *stream, revision int64) (Record, bool, error) {
	if revision >= int64(len(target.ordinals)) {
		return Record{}, false, nil
	}
	r, err := s.body(target.ordinals[revision])
	return r, err == nil, err
}

// tombstoned reports whether a stream, or the stream whose metadata it holds, is
// tombstoned.
func (s *Store) tombstoned(name string) bool {
	if found := s.index.find(name); found != nil && found.deleted {
		return true
	}
	if original, ok := originalOf(name); ok {
		found := s.index.find(original)
		return found != nil && found.deleted
	}
	return false
}

func (s *Store) softDeleted(name string) bool {
	found := s.index.find(name)
	return found != nil && found.meta.softDeleted()
}

// recentCapacity limits the memory to about 8 MiB.
const recentCapacity = 64 << 10

type recentKey struct {
	stream string
	id     uuid.UUID
}

// recentIDs holds the ids written last and their places, by stream.
type recentIDs struct {
	found map[recentKey]Written
	ring  []recentKey
	next  int
}

func newRecentIDs() recentIDs { return recentIDs{found: map[recentKey]Written{}} }

func (m *recentIDs) add(stream string, r *Record) {
	key := recentKey{stream, r.ID}
	m.found[key] = Written{Revision: r.Revision, Position: r.Position}
	if len(m.ring) < recentCapacity {
		m.ring = append(m.ring, key)
		return
	}
	if evicted := m.ring[m.next]; evicted != key {
		delete(m.found, evicted)
	}
	m.ring[m.next] = key
	m.next = (m.next + 1) % recentCapacity
}

func (m *recentIDs) find(stream string, id uuid.UUID) (Written, bool) {
	w, ok := m.found[recentKey{stream, id}]
	return w, ok
}
