package store

import (
	"math"
	"slices"
	"time"
)

// Direction is the direction of a read.
type Direction bool

// Directions.
const (
	Forwards  Direction = false
	Backwards Direction = true
)

// pageBytes ends a page early, so that no page holds much more than one large event.
const pageBytes = 1 << 20

// State is the state of a stream as a reader sees it.
type State int

// States. A softly deleted stream is missing.
const (
	Present State = iota
	Missing
	Tombstoned
)

// StreamPage is a page of a stream.
type StreamPage struct {
	State  State
	Events []Record
	Next   int64 // where the next page begins
	Last   int64 // the last revision, -1 if there is none
	End    bool  // nothing more in this direction for now
}

// ReadStream reads at most limit events starting at a revision, inclusive. Expired and
// hidden events are left out, so a page may be empty without being the end. Backwards, a
// revision behind the end means the end.
func (s *Store) ReadStream(name string, from int64, direction Direction, limit int) (StreamPage, error) {
	return s.readPlanned(s.planStream(name, from, direction, limit))
}

// ReadAppended reads at most limit events starting at a revision, including those that
// metadata hides. A subscription that has caught up is sent these.
func (s *Store) ReadAppended(name string, from int64, limit int) (StreamPage, error) {
	page, refs := s.planAppended(name, from, limit)
	return s.readPlanned(page, refs, math.MinInt64)
}

func (s *Store) readPlanned(page StreamPage, refs []ref, oldest int64) (StreamPage, error) {
	size := 0
	for i, r := range refs {
		record, err := s.read(r)
		if err != nil {
			return StreamPage{}, err
		}
		size += record.Size()
		if size > pageBytes && i > 0 {
			page.Next, page.End = record.Revision, false
			break
		}
		if record.Created >= oldest && !s.hidden.has(&record) {
			page.Events = append(page.Events, record)
		}
	}
	return page, nil
}

// planStream decides under the lock what to read. Events created before the returned
// oldest have expired.
func (s *Store) planStream(name string, from int64, direction Direction, limit int) (StreamPage, []ref, int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.visiblyTombstoned(name) {
		return StreamPage{State: Tombstoned, Last: DeletedRevision, End: true}, nil, 0
	}
	target := s.index.find(name)
	last := s.visibleLast(target)
	if last < 0 || target.meta.softDeleted() {
		return StreamPage{State: Missing, Next: max(from, 0), Last: last, End: true}, nil, 0
	}
	first := s.firstVisible(target, last)
	page := StreamPage{Last: last}
	var refs []ref
	if direction == Backwards {
		from = min(from, last)
		for page.Next = from; page.Next >= first && len(refs) < limit; page.Next-- {
			refs = append(refs, s.ref(target.ordinals[page.Next]))
		}
		page.End = page.Next < first
	} else {
		for page.Next = max(from, first); page.Next <= last && len(refs) < limit; page.Next++ {
			refs = append(refs, s.ref(target.ordinals[page.Next]))
		}
		page.End = page.Next > last
	}
	return page, refs, s.oldest(target)
}

func (s *Store) planAppended(name string, from int64, limit int) (StreamPage, []ref) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.visiblyTombstoned(name) {
		return StreamPage{State: Tombstoned, Last: DeletedRevision, End: true}, nil
	}
	target := s.index.find(name)
	page := StreamPage{Next: from, Last: s.visibleLast(target)}
	var refs []ref
	for ; page.Next <= page.Last && len(refs) < limit; page.Next++ {
		refs = append(refs, s.ref(target.ordinals[page.Next]))
	}
	page.End = page.Next > page.Last
	return page, refs
}

// visibleLast returns the last revision that readers may see, or -1 if there is none.
func (s *Store) visibleLast(target *stream) int64 {
	if target == nil {
		return -1
	}
	n, _ := slices.BinarySearch(target.ordinals, s.visibleEnd(target))
	return int64(n) - 1
}

// firstVisible returns the revision before which the metadata hides everything. Of a
// metastream only the newest event is visible.
func (s *Store) firstVisible(target *stream, last int64) int64 {
	if isMetastream(target.name) {
		return last
	}
	if target.meta == nil {
		return 0
	}
	first := target.meta.TruncateBefore
	if target.meta.MaxCount > 0 {
		first = max(first, last-target.meta.MaxCount+1)
	}
	return max(first, 0)
}

func (s *Store) oldest(target *stream) int64 {
	if target.meta == nil || target.meta.MaxAge == 0 {
		return math.MinInt64
	}
	return s.now().Add(-target.meta.MaxAge).UnixNano() / int64(100*time.Nanosecond)
}

func (s *Store) visiblyTombstoned(name string) bool {
	if original, ok := originalOf(name); ok && s.visiblyTombstoned(original) {
		return true
	}
	found := s.index.find(name)
	return found != nil && found.deleted && found.tombstone < s.committed
}

// TombstoneOf returns the tombstone of a stream, if there is one.
func (s *Store) TombstoneOf(name string) (Record, bool, error) {
	s.mu.RLock()
	found := s.index.find(name)
	if found == nil || !s.visiblyTombstoned(name) || !found.deleted {
		s.mu.RUnlock()
		return Record{}, false, nil
	}
	r := s.ref(found.tombstone)
	s.mu.RUnlock()
	record, err := s.read(r)
	return record, err == nil, err
}

// LastRevision returns the last revision of a stream. It returns -1 if the stream has
// none, and DeletedRevision if it is tombstoned.
func (s *Store) LastRevision(name string) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.visiblyTombstoned(name) {
		return DeletedRevision
	}
	return s.visibleLast(s.index.find(name))
}

// Bounds returns the first and the last revision of a stream that readers see. It reports
// false if they see none.
func (s *Store) Bounds(name string) (first, last int64, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	target := s.index.find(name)
	last = s.visibleLast(target)
	if last < 0 || s.visiblyTombstoned(name) || target.meta.softDeleted() {
		return 0, -1, false
	}
	first = s.firstVisible(target, last)
	return first, last, first <= last
}

// Newest returns the newest visible event of a stream. It reports false if there is none.
func (s *Store) Newest(stream string) (Record, bool, error) {
	page, err := s.ReadStream(stream, DeletedRevision, Backwards, 1)
	if err != nil || len(page.Events) == 0 {
		return Record{}, false, err
	}
	return page.Events[0], true, nil
}
