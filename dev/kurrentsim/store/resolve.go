package store

import "math"

// Resolved is an event as a reader receives it. If links are resolved, Link is the link
// and Event its target, which is nil if the target is gone.
type Resolved struct {
	Event *Record
	Link  *Record
}

// Original returns the record of the stream that was read.
func (r *Resolved) Original() *Record {
	if r.Link != nil {
		return r.Link
	}
	return r.Event
}

// Resolve follows a link, one level deep. A record that does not begin with a number is
// its own target. A link that begins with a number and points at nothing has none.
func (s *Store) Resolve(r Record) (Resolved, error) {
	if r.Type != TypeLink {
		return Resolved{Event: &r}, nil
	}
	revision, name, ok := ParseLink(r.Data)
	if !ok {
		return Resolved{Event: &r}, nil
	}
	target, ok, err := s.Event(name, revision)
	if err != nil {
		return Resolved{}, err
	}
	if !ok {
		return Resolved{Link: &r}, nil
	}
	return Resolved{Event: &target, Link: &r}, nil
}

// Event reads one event, the last one for revision -1. It reports false if the event does
// not exist or is no longer visible.
func (s *Store) Event(name string, revision int64) (Record, bool, error) {
	if revision == -1 {
		page, err := s.ReadStream(name, math.MaxInt64, Backwards, 1)
		if err != nil || len(page.Events) == 0 || page.Events[0].Revision != page.Last {
			return Record{}, false, err
		}
		return page.Events[0], true, nil
	}
	page, err := s.ReadStream(name, revision, Forwards, 1)
	if err != nil || len(page.Events) == 0 || page.Events[0].Revision != revision {
		return Record{}, false, err
	}
	return page.Events[0], true, nil
}
