package main

import (
	"sync"
	"time"
)

// maxInFlightBytes bounds the memory of the versions in flight. A bigger version is
// published alone.
const maxInFlightBytes = 64 << 20

// window limits the versions in flight and tracks up to where all of them are complete.
// It is safe for concurrent use.
type window struct {
	versions int           // how many may be in flight
	freed    chan struct{} // holds a token after a version was completed

	mu        sync.Mutex
	progress  progress
	open      int // versions in flight
	bytes     int // their size
	completed uint64
	newest    int64 // the highest id that was added
}

// newWindow returns a window for a source whose versions up to an id are complete.
func newWindow(versions int, through int64) *window {
	return &window{versions: versions, freed: make(chan struct{}, 1), newest: through, progress: progress{newest: through}}
}

// add adds a version and reports whether there was room for it.
func (w *window) add(id int64, size int, since time.Time) (seq sequence, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open >= w.versions || w.open > 0 && w.bytes+size > maxInFlightBytes {
		return 0, false
	}
	w.open++
	w.bytes += size
	w.newest = max(w.newest, id)
	return w.progress.add(id, since), true
}

// complete marks a version as complete and signals that there is room.
func (w *window) complete(seq sequence, size int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open--
	w.bytes -= size
	w.completed++
	w.progress.complete(seq)
	select {
	case w.freed <- struct{}{}:
	default:
	}
}

// reach records that the versions added so far are all there are before a position of the
// source.
func (w *window) reach(position uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress.reach(position)
}

// state returns the position before which every version is complete, the number of
// completed versions, and the number in flight.
func (w *window) state() (reached, completed uint64, open int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress.reached, w.completed, w.open
}

// published returns an id such that every version added so far with an id up to it is
// complete.
func (w *window) published() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress.published()
}

// oldest returns when the oldest version in flight was committed, zero if there is none,
// and the highest id that was added.
func (w *window) oldest() (since time.Time, newest int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	since, _ = w.progress.oldest()
	return since, w.newest
}
