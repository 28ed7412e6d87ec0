package main

import "time"

// progress tells how far everything has been answered. Versions enter in the order of a source, between positions of it
// that are told as they are reached; they are answered in any order. Only a position that no unanswered version stands
// before counts: never the furthest one, or a crash would skip what was still in flight.
//
// It is plain memory: no lock, no clock, no I/O.
type progress struct {
	entries []entry // from the first that is not answered
	first   ticket  // of entries[0]
	reached uint64  // everything before this position is answered
	newest  int64   // the highest id of the versions that were passed over
}

// entry is a version that waits for its answer, or a position that waits for the versions before it.
type entry struct {
	version  bool
	answered bool
	id       int64     // the version's
	since    time.Time // when the version was committed
	position uint64
}

// ticket is a version's place in the order of all that ever entered.
type ticket uint64

// enter takes a version in.
func (p *progress) enter(id int64, since time.Time) ticket {
	p.entries = append(p.entries, entry{version: true, id: id, since: since})
	return p.first + ticket(len(p.entries)-1)
}

// answer says that a version needs nobody's attention any more. Each is answered once.
func (p *progress) answer(t ticket) {
	p.entries[t-p.first].answered = true
	p.advance()
}

// reach says that what entered so far is all there is before a position. Positions never fall.
func (p *progress) reach(position uint64) {
	last := len(p.entries) - 1
	if last >= 0 && !p.entries[last].version {
		p.entries[last].position = max(position, p.entries[last].position)
		return
	}
	p.entries = append(p.entries, entry{position: position})
	p.advance()
}

// advance passes over what is answered at the front, and the positions behind it.
func (p *progress) advance() {
	n := 0
	for _, e := range p.entries {
		if e.version && !e.answered {
			break
		}
		p.reached, p.newest = max(p.reached, e.position), max(p.newest, e.id)
		n++
	}
	p.entries, p.first = p.entries[n:], p.first+ticket(n)
	if len(p.entries) == 0 {
		p.entries = nil // lets go of what was passed over
	}
}

// oldest is when the version at the front was committed; ok is false when none waits.
func (p *progress) oldest() (since time.Time, ok bool) {
	if len(p.entries) == 0 {
		return time.Time{}, false
	}
	return p.entries[0].since, true
}

// published is an id that no version in flight reaches down to: all that entered with an id up to it are answered.
func (p *progress) published() int64 {
	through := p.newest
	for _, e := range p.entries {
		if e.version && !e.answered {
			through = min(through, e.id-1)
		}
	}
	return through
}
