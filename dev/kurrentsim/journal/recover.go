package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// CorruptError reports that a frame that was once on disk is damaged. A crash cannot
// cause that, and cutting there would lose acknowledged data, so the journal refuses to
// open.
type CorruptError struct{ Offset int64 }

func (e *CorruptError) Error() string { return fmt.Sprintf("journal is damaged at byte %d", e.Offset) }

var errTorn = errors.New("torn frame")

// Open reads every frame in order, passes each payload and its offset to visit, and cuts
// a torn tail. It returns the number of bytes cut. visit must not keep the payload.
func Open(storage Storage, visit func(offset int64, payload []byte) error) (*Journal, int64, error) {
	size, err := storage.Size()
	if err != nil {
		return nil, 0, fmt.Errorf("size of journal: %w", err)
	}
	if size < int64(len(magic)) {
		return create(storage, size)
	}
	s := &scanner{storage: storage, size: size}
	end, err := s.scan(visit)
	if err != nil {
		return nil, 0, err
	}
	if end < size {
		if err := storage.Truncate(end); err != nil {
			return nil, 0, fmt.Errorf("cut torn tail: %w", err)
		}
	}
	// Whole frames may have been written and not synced before a crash; from here on they
	// count as durable.
	if err := storage.Sync(); err != nil {
		return nil, 0, fmt.Errorf("sync journal: %w", err)
	}
	return open(storage, end), size - end, nil
}

func open(storage Storage, end int64) *Journal {
	j := &Journal{storage: storage, end: end, durable: end}
	j.idle = sync.NewCond(&j.mu)
	return j
}

// create starts an empty journal. It overwrites the few bytes that a crash during an
// earlier creation may have left.
func create(storage Storage, size int64) (*Journal, int64, error) {
	if err := storage.Truncate(0); err != nil {
		return nil, 0, fmt.Errorf("create journal: %w", err)
	}
	if _, err := storage.WriteAt([]byte(magic), 0); err != nil {
		return nil, 0, fmt.Errorf("create journal: %w", err)
	}
	if err := storage.Sync(); err != nil {
		return nil, 0, fmt.Errorf("create journal: %w", err)
	}
	return open(storage, int64(len(magic))), size, nil
}

type scanner struct {
	storage Storage
	size    int64
	payload []byte // reused from frame to frame
}

func (s *scanner) scan(visit func(int64, []byte) error) (int64, error) {
	head := make([]byte, len(magic))
	if _, err := s.storage.ReadAt(head, 0); err != nil {
		return 0, fmt.Errorf("read journal: %w", err)
	}
	if string(head) != magic {
		return 0, errors.New("not a journal of this version")
	}
	offset := int64(len(magic))
	reader := bufio.NewReaderSize(io.NewSectionReader(s.storage, offset, s.size-offset), 1<<20)
	for offset < s.size {
		payload, err := s.frame(reader, s.size-offset)
		if errors.Is(err, errTorn) {
			return offset, s.confirmTorn(offset)
		}
		if err != nil {
			return 0, fmt.Errorf("read journal: %w", err)
		}
		if err := visit(offset+frameHeader, payload); err != nil {
			return 0, fmt.Errorf("frame at byte %d: %w", offset, err)
		}
		offset += frameHeader + int64(len(payload))
	}
	return offset, nil
}

// frame reads the next frame. It returns errTorn if the frame is incomplete.
func (s *scanner) frame(reader io.Reader, left int64) ([]byte, error) {
	var raw [frameHeader]byte
	if left < frameHeader {
		return nil, errTorn
	}
	if _, err := io.ReadFull(reader, raw[:]); err != nil {
		return nil, err
	}
	h, ok := parseHeader(raw[:])
	if !ok || h.length > left-frameHeader {
		return nil, errTorn
	}
	if int64(cap(s.payload)) < h.length {
		s.payload = make([]byte, h.length)
	}
	payload := s.payload[:h.length]
	if _, err := io.ReadFull(reader, payload); err != nil {
		return nil, err
	}
	if checksum(payload) != h.crc {
		return nil, errTorn
	}
	return payload, nil
}

// confirmTorn distinguishes a torn tail from damage. At every byte behind the bad frame
// it looks for the header of another frame that was written when the bad one was already
// on disk.
func (s *scanner) confirmTorn(bad int64) error {
	at := bad + 1
	reader := bufio.NewReaderSize(io.NewSectionReader(s.storage, at, s.size-at), 1<<20)
	for ; at+frameHeader <= s.size; at++ {
		raw, err := reader.Peek(frameHeader)
		if err != nil {
			return fmt.Errorf("read journal: %w", err)
		}
		mark := int64(binary.BigEndian.Uint64(raw[8:])) // checked first: rarely matches, and is cheaper than the checksum
		if mark > bad && mark <= at {
			if _, ok := parseHeader(raw); ok {
				return &CorruptError{Offset: bad}
			}
		}
		_, _ = reader.Discard(1) // the byte was peeked at before
	}
	return nil
}
