package web

import (
	"sync"
	"time"
)

// slots are the places of uploads in progress, of which there is a number. A slow client
// may hold one for as long as its pace allows, unless another client needs it. It is safe
// for concurrent use.
type slots struct {
	limit int
	grace time.Duration // for which an upload holds its slot in any case
	fast  int64         // bytes per second on average, from which on it holds its slot
	mu    sync.Mutex
	held  map[*body]struct{}
}

// take takes a slot for an upload, and reports whether it did. If all are held, it takes
// that of the slowest upload, which ends, unless all are fast.
func (s *slots) take(b *body, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) >= s.limit {
		slowest := s.slowest(now)
		if slowest == nil || !slowest.interrupt() {
			return false
		}
		delete(s.held, slowest)
	}
	s.held[b] = struct{}{}
	return true
}

// release returns the slot of an upload, unless another has taken it.
func (s *slots) release(b *body) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, b)
}

// slowest returns the slowest upload that may lose its slot, or nil.
func (s *slots) slowest(now time.Time) (found *body) {
	least := s.fast
	for b := range s.held {
		if rate, age := b.progress(now); age >= s.grace && rate < least {
			found, least = b, rate
		}
	}
	return found
}
