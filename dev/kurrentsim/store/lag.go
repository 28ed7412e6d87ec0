package store

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A real server shows late or missing links only by chance. Tests of lag and loss need
// them on purpose: links that come late, and one that never comes.

// Target identifies an event by its stream and revision.
type Target struct {
	Stream   string
	Revision int64
}

// ParseTarget parses STREAM@REVISION. The stream may contain an @ itself.
func ParseTarget(text string) (Target, error) {
	at := strings.LastIndexByte(text, '@')
	revision, err := strconv.ParseInt(text[at+1:], 10, 64)
	if at <= 0 || err != nil || revision < 0 {
		return Target{}, fmt.Errorf("%q is not STREAM@REVISION", text)
	}
	return Target{Stream: text[:at], Revision: revision}, nil
}

// hiddenLinks are the bodies of category links that no reader sees.
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

// publishLinks makes everything before ordinal visible to readers of the projections'
// streams, after the projection delay.
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

// advanceLinks moves the running projections up to ordinal and reports whether any was
// behind it. The caller must hold the lock.
func (s *Store) advanceLinks(ordinal uint32) (moved bool) {
	for kind := range s.projections {
		p := &s.projections[kind]
		if p.status == ProjectionRunning && p.linked < ordinal {
			p.linked, moved = ordinal, true
		}
	}
	return moved
}

// visibleEnd returns the ordinal before which readers see the events of a stream.
func (s *Store) visibleEnd(target *stream) uint32 {
	if target.projected {
		return s.projections[target.kind].linked
	}
	return s.committed
}
