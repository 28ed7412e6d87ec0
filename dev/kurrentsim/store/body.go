package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Bodies of at most maxCachedBody bytes are kept in a direct-mapped cache of
// bodyCacheSlots: 32 MiB at worst. It serves readers of events that were just written.
const (
	bodyCacheSlots = 2048
	maxCachedBody  = 16 << 10
	firstRead      = 4 << 10 // most events fit in the first read
)

type bodyCache struct {
	mu    sync.Mutex
	slots [bodyCacheSlots]Record
}

func (c *bodyCache) slot(position uint64) *Record {
	return &c.slots[position*0x9E3779B97F4A7C15>>(64-11)]
}

func (c *bodyCache) find(position uint64) (Record, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.slot(position)
	return *r, r.Position == position
}

func (c *bodyCache) add(r Record) {
	if r.Size() > maxCachedBody {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.slot(r.Position) = r
}

// ref is the information needed to read an event without holding the store's lock.
type ref struct {
	entry  entry
	source uint64 // position of the event that a derived link follows
	stream string
}

// ref resolves an ordinal. The caller must hold the store's lock.
func (s *Store) ref(ordinal uint32) ref {
	e := s.index.at(ordinal)
	source := e
	for source.derived() { // links come right behind their event
		ordinal--
		source = s.index.at(ordinal)
	}
	return ref{entry: e, source: source.position, stream: s.index.stream(e.stream).name}
}

// body reads the event at an ordinal. The caller must hold the store's lock.
func (s *Store) body(ordinal uint32) (Record, error) { return s.read(s.ref(ordinal)) }

// read needs no lock.
func (s *Store) read(r ref) (Record, error) {
	source, err := s.load(r.source)
	if err != nil || !r.entry.derived() {
		return source, err
	}
	return linkRecord(&source, r.entry, r.stream), nil
}

func (s *Store) load(position uint64) (Record, error) {
	if r, ok := s.bodies.find(position); ok {
		return r, nil
	}
	raw, err := s.loadRaw(int64(position))
	if err != nil {
		return Record{}, fmt.Errorf("read event at %d: %w", position, err)
	}
	r, err := decodeRecord(raw, position)
	if err != nil {
		return Record{}, fmt.Errorf("read event at %d: %w", position, err)
	}
	s.bodies.add(r)
	return r, nil
}

func (s *Store) loadRaw(position int64) ([]byte, error) {
	var first [firstRead]byte
	n, err := s.journal.ReadAt(first[:], position)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if n < recordSizeBytes {
		return nil, errBadRecord
	}
	raw := make([]byte, binary.BigEndian.Uint32(first[:]))
	got := copy(raw, first[recordSizeBytes:n])
	if got == len(raw) {
		return raw, nil
	}
	_, err = s.journal.ReadAt(raw[got:], position+recordSizeBytes+int64(got))
	return raw, err
}
