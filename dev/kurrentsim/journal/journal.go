package journal

import (
	"errors"
	"fmt"
	"sync"
)

const (
	// magic names the format and its version; it also makes every position in the file greater than zero, which clients of
	// the store rely on.
	magic = "ksimlog\x02"
	// MaxPayload bounds one frame: the largest append (256 MiB of events) and what frames its records.
	MaxPayload = 320 << 20
)

// ErrTooLarge is returned for a payload that does not fit a frame.
var ErrTooLarge = errors.New("frame is too large")

// Journal is an append-only sequence of frames. Append must be called by one goroutine at a time; everything else may be
// called from any.
type Journal struct {
	storage Storage

	mu      sync.Mutex
	idle    *sync.Cond // signalled when a sync has ended
	end     int64      // bytes written
	durable int64      // bytes known to be on disk
	syncing bool
	failed  error // the first failed sync: what is on disk is unknown from then on
}

// End is the offset of the next frame's header, and so the number of bytes written.
func (j *Journal) End() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.end
}

// PayloadOffset is where the payload of the next frame will stand.
func (j *Journal) PayloadOffset() int64 { return j.End() + frameHeader }

// Append writes one frame without waiting for the disk and returns the end of the journal after it, to be given to
// Commit. A failed write leaves the journal as it was.
func (j *Journal) Append(payload []byte) (int64, error) {
	if len(payload) > MaxPayload {
		return 0, ErrTooLarge
	}
	j.mu.Lock()
	start, durable, failed := j.end, j.durable, j.failed
	j.mu.Unlock()
	if failed != nil {
		return 0, failed
	}
	if err := j.write(start, durable, payload); err != nil {
		// Best effort: what stands behind the end is overwritten by the next frame, or cut at the next start.
		_ = j.storage.Truncate(start)
		return 0, fmt.Errorf("write frame: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.end = start + frameHeader + int64(len(payload))
	return j.end, nil
}

func (j *Journal) write(start, durable int64, payload []byte) error {
	frame := make([]byte, 0, frameHeader+len(payload))
	frame = appendHeader(frame, header{length: int64(len(payload)), crc: checksum(payload), durable: durable})
	_, err := j.storage.WriteAt(append(frame, payload...), start)
	return err
}

// Commit returns when everything before end is on disk. Callers that come together share one sync: the first of them
// syncs for all who have written by then.
func (j *Journal) Commit(end int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.failed == nil && j.durable < end {
		if j.syncing {
			j.idle.Wait()
			continue
		}
		j.sync()
	}
	return j.failed
}

// sync is called with the lock held and gives it up while the disk works.
func (j *Journal) sync() {
	target := j.end
	j.syncing = true
	j.mu.Unlock()
	err := j.storage.Sync()
	j.mu.Lock()
	j.syncing = false
	if err != nil {
		// After a failed fsync the kernel may have dropped the pages: no later success proves anything.
		j.failed = fmt.Errorf("sync journal: %w", err)
	} else {
		j.durable = target
	}
	j.idle.Broadcast()
}

// ReadAt reads bytes of a written frame.
func (j *Journal) ReadAt(p []byte, offset int64) (int, error) { return j.storage.ReadAt(p, offset) }

// Close syncs and closes what is behind the journal.
func (j *Journal) Close() error {
	return errors.Join(j.Commit(j.End()), j.storage.Close())
}
