package store

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What a real server shows only by chance, a test of lag and loss wants on purpose: links that come late, and one that never
// comes.

// Target names an event by its place in its stream.
type Target struct {
	Stream   string
	Revision int64
}

// ParseTarget reads STREAM@REVISION. The stream may hold an @ itself.
func ParseTarget(text string) (Target, error) {
	at := strings.LastIndexByte(text, '@')
	revision, err := strconv.ParseInt(text[at+1:], 10, 64)
	if at <= 0 || err != nil || revision < 0 {
		return Target{}, fmt.Errorf("%q is not STREAM@REVISION", text)
	}
	return Target{Stream: text[:at], Revision: revision}, nil
}

// hiddenLinks are the contents of category links nobody gets to see.
type hiddenLinks map[string]bool

func newHiddenLinks(targets []Target) hiddenLinks {
	hidden := hiddenLinks{}
	for _, t := range targets {
		hidden[string(linkTo(t.Revision, t.Stream))] = true
	}
	return hidden
}

func (h hiddenLinks) has(r *Record) bool {
	return len(h) > 0 && r.Type == TypeLink && strings.HasPrefix(r.Stream, categoryPrefix) && h[string(r.Data)]
}

// publishLinks lets readers of the projections' streams see everything before ordinal, when its time has come.
func (s *Store) publishLinks(ordinal uint32) {
	if s.delay > 0 {
		time.AfterFunc(s.delay, func() { s.showLinks(ordinal) })
		return
	}
	s.advanceLinks(ordinal)
}

func (s *Store) showLinks(ordinal uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.advanceLinks(ordinal) {
		s.announce()
	}
}

// advanceLinks moves the projections that run up to ordinal, and reports whether any was not there. The lock is held.
func (s *Store) advanceLinks(ordinal uint32) (moved bool) {
	for kind := range s.projections {
		p := &s.projections[kind]
		if p.status == ProjectionRunning && p.linked < ordinal {
			p.linked, moved = ordinal, true
		}
	}
	return moved
}

// visibleEnd is the ordinal before which readers see the events of a stream.
func (s *Store) visibleEnd(target *stream) uint32 {
	if target.projected {
		return s.projections[target.kind].linked
	}
	return s.committed
}
