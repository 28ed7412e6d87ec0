package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

// CorruptError says that a frame in the middle of the journal is damaged. That is not the trace of a crash, and cutting
// there would lose what was acknowledged, so the journal refuses to open.
type CorruptError struct{ Offset int64 }

func (e *CorruptError) Error() string { return fmt.Sprintf("journal is damaged at byte %d", e.Offset) }

var errTorn = errors.New("torn frame")

// Open reads every frame in order, gives each payload and its offset to visit, and cuts a torn tail. It returns the
// number of bytes cut. The payload is visit's only for the call.
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
		if err := cut(storage, end); err != nil {
			return nil, 0, err
		}
	}
	return open(storage, end), size - end, nil
}

func open(storage Storage, end int64) *Journal {
	j := &Journal{storage: storage, end: end, durable: end}
	j.idle = sync.NewCond(&j.mu)
	return j
}

// create starts an empty journal, also over the few bytes a crash during an earlier creation left.
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

func cut(storage Storage, end int64) error {
	if err := storage.Truncate(end); err != nil {
		return fmt.Errorf("cut torn tail: %w", err)
	}
	if err := storage.Sync(); err != nil {
		return fmt.Errorf("cut torn tail: %w", err)
	}
	return nil
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
			return 0, err
		}
		offset += frameHeader + int64(len(payload))
	}
	return offset, nil
}

// frame reads the next frame; errTorn when it is not whole.
func (s *scanner) frame(reader io.Reader, left int64) ([]byte, error) {
	var header [frameHeader]byte
	if left < frameHeader {
		return nil, errTorn
	}
	if _, err := io.ReadFull(reader, header[:]); err != nil {
		return nil, err
	}
	length := int64(binary.BigEndian.Uint32(header[0:]))
	if length == 0 || length > MaxPayload || length > left-frameHeader {
		return nil, errTorn
	}
	if int64(cap(s.payload)) < length {
		s.payload = make([]byte, length)
	}
	payload := s.payload[:length]
	if _, err := io.ReadFull(reader, payload); err != nil {
		return nil, err
	}
	if crc32.Checksum(payload, castagnoli) != binary.BigEndian.Uint32(header[4:]) {
		return nil, errTorn
	}
	return payload, nil
}

// confirmTorn tells a torn tail from damage: a whole frame right behind a bad one means that more was written, and
// answered for, after it.
func (s *scanner) confirmTorn(offset int64) error {
	var header [frameHeader]byte
	if _, err := s.storage.ReadAt(header[:], offset); err != nil {
		return nil //nolint:nilerr // shorter than a header: certainly the tail
	}
	next := offset + frameHeader + int64(binary.BigEndian.Uint32(header[0:]))
	if next <= offset+frameHeader || next >= s.size {
		return nil
	}
	follower := io.NewSectionReader(s.storage, next, s.size-next)
	if _, err := s.frame(follower, s.size-next); err != nil {
		return nil //nolint:nilerr // not a frame either: the rest of one torn write
	}
	return &CorruptError{Offset: offset}
}
