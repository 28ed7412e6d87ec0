package inflight

import "time"

// progress tracks up to which position every version is complete. Versions are added in
// the order of the source, with positions in between as the source reaches them. They are
// completed in any order. Only a position with no incomplete version before it counts,
// never the furthest one, or a crash would skip what was still in flight.
//
// It is plain memory without locks, clocks or I/O.
type progress struct {
	entries []entry  // from the first incomplete version
	first   sequence // of entries[0]
	reached uint64   // every version before this position is complete
	newest  int64    // the highest id among the versions already removed
}

// entry is a version to be completed, or a position that waits for the versions before
// it.
type entry struct {
	version   bool
	completed bool
	id        int64     // the version's
	since     time.Time // when the version was committed
	position  uint64
}

// sequence numbers versions and positions in the order in which they were added.
type sequence uint64

// add adds a version and returns its sequence number.
func (p *progress) add(id int64, since time.Time) sequence {
	p.entries = append(p.entries, entry{version: true, id: id, since: since})
	return p.first + sequence(len(p.entries)-1)
}

// complete marks a version as published or set aside. It must be called once per version.
func (p *progress) complete(seq sequence) {
	p.entries[seq-p.first].completed = true
	p.advance()
}

// reach records that the versions added so far are all there are before a position.
// Positions must not decrease.
func (p *progress) reach(position uint64) {
	last := len(p.entries) - 1
	if last >= 0 && !p.entries[last].version {
		p.entries[last].position = max(position, p.entries[last].position)
		return
	}
	p.entries = append(p.entries, entry{position: position})
	p.advance()
}

// advance removes the completed versions at the front and the positions behind them.
func (p *progress) advance() {
	n := 0
	for _, e := range p.entries {
		if e.version && !e.completed {
			break
		}
		p.reached, p.newest = max(p.reached, e.position), max(p.newest, e.id)
		n++
	}
	p.entries, p.first = p.entries[n:], p.first+sequence(n)
	if len(p.entries) == 0 {
		p.entries = nil // frees the memory of the removed entries
	}
}

// oldest returns when the version at the front was committed. It reports false if there
// is none.
func (p *progress) oldest() (since time.Time, ok bool) {
	if len(p.entries) == 0 {
		return time.Time{}, false
	}
	return p.entries[0].since, true
}

// published returns an id such that every version added with an id up to it is complete.
func (p *progress) published() int64 {
	through := p.newest
	for _, e := range p.entries {
		if e.version && !e.completed {
			through = min(through, e.id-1)
		}
	}
	return through
}
