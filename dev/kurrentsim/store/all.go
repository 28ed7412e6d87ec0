package store

import (
	"math"
	"strings"
)

// Cursor is a place between two events of the global order.
type Cursor uint32

// AllPage is a page of the global order.
type AllPage struct {
	Events     []Record
	Next       Cursor
	Considered int    // events looked at, whether or not they are in the page
	Hidden     int    // of these, at most, the ones that no reader sees in the global order
	Position   uint64 // of the last event looked at, 0 if there is none
	End        bool   // nothing more in this direction for now
}

// AllQuery selects a page of the global order.
type AllQuery struct {
	From      Cursor
	Direction Direction
	Limit     int     // events in the page
	Window    int     // events to look at; 0 means no limit
	Filter    *Filter // nil matches all
}

// CursorAt returns the cursor right before the first event at or after position.
func (s *Store) CursorAt(position uint64) Cursor {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Cursor(min(s.index.from(position), s.committed))
}

// CursorAfter returns the cursor right behind the event at position.
func (s *Store) CursorAfter(position uint64) Cursor {
	if position == math.MaxUint64 {
		return s.EndCursor()
	}
	return s.CursorAt(position + 1)
}

// Holds reports whether a read of the global order can begin at a position: at an
// event's, at 0, or behind the last one.
func (s *Store) Holds(position uint64) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if position == 0 || s.committed == 0 || position > s.index.at(s.committed-1).position {
		return true
	}
	return s.index.at(s.index.from(position)).position == position
}

// EndCursor returns the cursor behind the last event.
func (s *Store) EndCursor() Cursor {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Cursor(s.committed)
}

// LastPosition returns the position of the last event in the global order.
func (s *Store) LastPosition() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.committed == 0 {
		return 0
	}
	return s.index.at(s.committed - 1).position
}

// ReadAll reads events starting at a cursor: those behind it when reading forwards, those
// before it when reading backwards.
func (s *Store) ReadAll(q AllQuery) (AllPage, error) {
	page, refs := s.planAll(q)
	size := 0
	for i, r := range refs {
		record, err := s.read(r.ref)
		if err != nil {
			return AllPage{}, err
		}
		size += record.Size()
		if size > pageBytes && i > 0 {
			previous := refs[i-1]
			page.Next, page.Considered, page.Position, page.End = previous.next, previous.considered, previous.entry.position, false
			break
		}
		if !s.hidden.has(&record) {
			page.Events = append(page.Events, record)
		}
	}
	return page, nil
}

// allRef is an event of the page and the state of the page behind it, so that the page
// can end there.
type allRef struct {
	ref
	next       Cursor
	considered int
}

func (s *Store) planAll(q AllQuery) (AllPage, []allRef) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	page := AllPage{Next: min(q.From, Cursor(s.committed))}
	var refs []allRef
	for len(refs) < q.Limit && (q.Window == 0 || page.Considered < q.Window) {
		ordinal, next, ok := s.step(page.Next, q.Direction)
		if !ok {
			page.End = true
			break
		}
		e := s.index.at(ordinal)
		page.Next, page.Position = next, e.position
		page.Considered++
		name := s.index.stream(e.stream).name
		if hiddenFromAll(name, s.index.types[e.typ]) || s.unwritten(ordinal, e) {
			page.Hidden++
		} else if q.Filter.Match(name, s.index.types[e.typ]) {
			refs = append(refs, allRef{ref: s.ref(ordinal), next: next, considered: page.Considered})
		}
	}
	return page, refs
}

func (s *Store) step(at Cursor, direction Direction) (uint32, Cursor, bool) {
	if direction == Backwards {
		if at == 0 {
			return 0, 0, false
		}
		return uint32(at - 1), at - 1, true
	}
	return uint32(at), at + 1, uint32(at) < s.committed
}

// hiddenFromAll reports whether a real server keeps an event out of the global order.
// These are the bookkeeping events of groups that read that order, which would otherwise
// cause more of themselves.
func hiddenFromAll(stream, eventType string) bool {
	if eventType == "$epoch-information" {
		return true
	}
	return strings.HasPrefix(stream, "$persistentsubscription-$all::") &&
		(strings.HasSuffix(stream, "-checkpoint") || strings.HasSuffix(stream, "-parked"))
}
