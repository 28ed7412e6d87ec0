package main

import (
	"sync"
	"time"
)

// maxInFlightBytes bounds the memory of the versions in flight. A bigger one goes when it is alone.
const maxInFlightBytes = 64 << 20

// window bounds what is in flight, and knows how far everything has been answered. It is safe for concurrent use.
type window struct {
	versions int           // how many may be in flight
	room     chan struct{} // has a token after something left

	mu       sync.Mutex
	progress progress
	open     int // versions in flight
	bytes    int // of them
	answered uint64
	newest   int64 // the highest id that was taken in
}

// newWindow makes a window for a source whose versions up to an id are answered.
func newWindow(versions int, through int64) *window {
	return &window{versions: versions, room: make(chan struct{}, 1), newest: through, progress: progress{newest: through}}
}

// enter takes a version in if there is room for it.
func (w *window) enter(id int64, size int, since time.Time) (t ticket, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open >= w.versions || w.open > 0 && w.bytes+size > maxInFlightBytes {
		return 0, false
	}
	w.open++
	w.bytes += size
	w.newest = max(w.newest, id)
	return w.progress.enter(id, since), true
}

// leave answers a version, and tells the one who waits for room.
func (w *window) leave(t ticket, size int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open--
	w.bytes -= size
	w.answered++
	w.progress.answer(t)
	select {
	case w.room <- struct{}{}:
	default:
	}
}

// reach says that what entered so far is all there is before a position of the source.
func (w *window) reach(position uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress.reach(position)
}

// state is how far everything has been answered, how many versions were, and how many are in flight.
func (w *window) state() (reached, answered uint64, open int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress.reached, w.answered, w.open
}

// published is an id up to which every version that came so far is answered.
func (w *window) published() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress.published()
}

// oldest is when the version that holds everything up was committed, zero when none is in flight, and the highest id that
// came so far.
func (w *window) oldest() (since time.Time, newest int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	since, _ = w.progress.oldest()
	return since, w.newest
}
