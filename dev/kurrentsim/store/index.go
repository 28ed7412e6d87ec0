package store

import (
	"math"
	"sort"
)

// chunkEntries makes the index grow in pieces of about 80 KiB, so that it is never copied
// as a whole.
const chunkEntries = 4096

// streamChunk is how many streams are allocated together. A log may have as many streams
// as events, and an allocation for each would cost more memory and more of the garbage
// collector's time.
const streamChunk = 1024

// noRevision marks a tombstone in the index, whose revision does not fit.
const noRevision = math.MaxUint32

// The first type numbers are those of derived links: the number says which projection
// wrote the entry. A link that a client appended has an ordinary type number.
const (
	linkByCategory = iota
	linkByType
	linkStreams
	linkStreamByCategory
	linkByCorrelation
	derivedKinds
)

// chunk holds one column per field: without padding an entry takes 20 bytes.
type chunk struct {
	position [chunkEntries]uint64
	stream   [chunkEntries]uint32
	typ      [chunkEntries]uint32
	revision [chunkEntries]uint32
}

type entry struct {
	position uint64
	stream   uint32
	typ      uint32
	revision uint32
}

func (e entry) derived() bool { return e.typ < derivedKinds }

// stream is the index of one stream.
type stream struct {
	name      string
	ordinals  []uint32 // of the events, by revision
	tombstone uint32   // ordinal of the tombstone
	deleted   bool     // the stream is tombstoned
	projected bool     // the system projection of that kind writes to it
	kind      uint32
	meta      *Metadata
}

func (s *stream) last() int64 {
	if s.deleted {
		return DeletedRevision
	}
	return int64(len(s.ordinals)) - 1
}

// index is the global order and, per stream, the places of its events in that order. An
// event's ordinal is its place in the order.
type index struct {
	chunks    []*chunk
	count     uint32
	streams   []*[streamChunk]stream
	streamNos map[string]uint32
	types     []string
	typeNos   map[string]uint32
}

func newIndex() *index {
	return &index{
		streamNos: map[string]uint32{},
		types:     []string{TypeLink, TypeLink, TypeLink, TypeStreamRef, TypeLink},
		typeNos:   map[string]uint32{},
	}
}

func (x *index) at(ordinal uint32) entry {
	c, i := x.chunks[ordinal/chunkEntries], ordinal%chunkEntries
	return entry{position: c.position[i], stream: c.stream[i], typ: c.typ[i], revision: c.revision[i]}
}

func (x *index) push(e entry) uint32 {
	ordinal := x.count
	if ordinal%chunkEntries == 0 {
		x.chunks = append(x.chunks, new(chunk))
	}
	c, i := x.chunks[ordinal/chunkEntries], ordinal%chunkEntries
	c.position[i], c.stream[i], c.typ[i], c.revision[i] = e.position, e.stream, e.typ, e.revision
	x.count++
	return ordinal
}

// find returns nil for a stream that was never added.
func (x *index) find(name string) *stream {
	if no, ok := x.streamNos[name]; ok {
		return x.stream(no)
	}
	return nil
}

func (x *index) stream(no uint32) *stream { return &x.streams[no/streamChunk][no%streamChunk] }

func (x *index) intern(name string) (uint32, *stream) {
	no, ok := x.streamNos[name]
	if !ok {
		no = uint32(len(x.streamNos))
		if no%streamChunk == 0 {
			x.streams = append(x.streams, new([streamChunk]stream))
		}
		x.streamNos[name] = no
		x.stream(no).name = name
	}
	return no, x.stream(no)
}

func (x *index) internType(name string) uint32 {
	no, ok := x.typeNos[name]
	if !ok {
		no = uint32(len(x.types))
		x.types = append(x.types, name)
		x.typeNos[name] = no
	}
	return no
}

// add appends an event to its stream and to the global order.
func (x *index) add(name string, typ uint32, position uint64, tombstone bool) uint32 {
	no, s := x.intern(name)
	e := entry{position: position, stream: no, typ: typ, revision: uint32(len(s.ordinals))}
	if tombstone {
		e.revision = noRevision
		s.tombstone, s.deleted = x.push(e), true
		return s.tombstone
	}
	ordinal := x.push(e)
	if e.derived() {
		s.projected, s.kind = true, typ
	}
	s.ordinals = append(s.ordinals, ordinal)
	return ordinal
}

// from returns the first ordinal whose position is at least position.
func (x *index) from(position uint64) uint32 {
	return uint32(sort.Search(int(x.count), func(i int) bool { return x.at(uint32(i)).position >= position }))
}

func (e entry) rev() int64 {
	if e.revision == noRevision {
		return DeletedRevision
	}
	return int64(e.revision)
}
