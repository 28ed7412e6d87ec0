package journal

import (
	"errors"
	"fmt"
	"sync"
)

const (
	// magic is the format and its version. It also makes every position in the file
	// greater than zero, which clients of the store rely on.
	magic = "ksimlog\x02"
	// MaxPayload limits one frame: the largest append (256 MiB of events) plus the
	// framing of its records.
	MaxPayload = 320 << 20
)

// ErrTooLarge is returned for a payload that does not fit a frame.
var ErrTooLarge = errors.New("frame is too large")

// Journal is an append-only sequence of frames. Append must be called by one goroutine at
// a time; all other methods are safe for concurrent use.
type Journal struct {
	storage Storage

	mu      sync.Mutex
	idle    *sync.Cond // signalled when a sync has ended
	end     int64      // bytes written
	durable int64      // bytes known to be on disk
	syncing bool
	failed  error // the first failed sync: after it, the state of the disk is unknown
}

// End returns the offset of the next frame's header, which is the number of bytes
// written.
func (j *Journal) End() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.end
}

// PayloadOffset returns the offset of the next frame's payload.
func (j *Journal) PayloadOffset() int64 { return j.End() + frameHeader }

// Append writes one frame without waiting for the disk. It returns the end of the journal
// after the frame, to be passed to Commit. A failed write leaves the journal unchanged.
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
		// Best effort: bytes behind the end are overwritten by the next frame, or cut at
		// the next start.
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

// Commit returns once everything before end is on disk. Concurrent callers share one
// sync: the first of them syncs for all callers that have written by then.
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

// sync must be called with the lock held. It releases the lock while the disk works.
func (j *Journal) sync() {
	target := j.end
	j.syncing = true
	j.mu.Unlock()
	err := j.storage.Sync()
	j.mu.Lock()
	j.syncing = false
	if err != nil {
		// After a failed fsync the kernel may have dropped the pages: no later success
		// proves anything.
		j.failed = fmt.Errorf("sync journal: %w", err)
	} else {
		j.durable = target
	}
	j.idle.Broadcast()
}

// ReadAt reads bytes of a written frame.
func (j *Journal) ReadAt(p []byte, offset int64) (int, error) { return j.storage.ReadAt(p, offset) }

// Close syncs the journal and closes its storage.
func (j *Journal) Close() error {
	return errors.Join(j.Commit(j.End()), j.storage.Close())
}
