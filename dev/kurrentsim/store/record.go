package store

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf16"

	"github.com/google/uuid"
)

// DeletedRevision is the revision of a tombstone, and the last revision of a tombstoned
// stream.
const DeletedRevision = math.MaxInt64

// Event types with a special meaning.
const (
	TypeLink          = "$>"
	TypeStreamRef     = "$@"
	TypeMetadata      = "$metadata"
	TypeStreamDeleted = "$streamDeleted"
)

// Record is one event as stored in the log.
type Record struct {
	ID       uuid.UUID
	Stream   string
	Revision int64
	Position uint64 // in the global order; greater than zero, strictly increasing, not contiguous
	Type     string
	JSON     bool
	Created  int64 // 100-nanosecond ticks since the Unix epoch
	Data     []byte
	Metadata []byte
}

// Size returns the record's share of a page's limit, in bytes.
func (r *Record) Size() int { return len(r.Data) + len(r.Metadata) + len(r.Type) + len(r.Stream) }

// NewEvent is an event to be appended.
type NewEvent struct {
	ID       uuid.UUID
	Type     string
	JSON     bool
	Data     []byte
	Metadata []byte
}

// Size returns the size that the limits count, in bytes. The type counts two bytes for
// each UTF-16 unit.
func (e *NewEvent) Size() int {
	size := len(e.Data) + len(e.Metadata)
	for _, r := range e.Type {
		size += 2 * utf16.RuneLen(r)
	}
	return size
}

// A record in a frame: u32 size of what follows, flags, id, created, revision, then
// stream, type and metadata each with a uvarint length, then data to the end. The
// position is the record's offset in the journal.
const (
	recordSizeBytes = 4
	recordFixed     = 1 + 16 + 8 + 8
	flagJSON        = 1
)

var errBadRecord = errors.New("malformed record")

func appendRecord(b []byte, r *Record) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0, recordFlags(r))
	b = append(b, r.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Created))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Revision))
	b = appendBytes(b, []byte(r.Stream))
	b = appendBytes(b, []byte(r.Type))
	b = appendBytes(b, r.Metadata)
	b = append(b, r.Data...)
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-recordSizeBytes))
	return b
}

func recordFlags(r *Record) byte {
	if r.JSON {
		return flagJSON
	}
	return 0
}

func appendBytes(b, field []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(field)))
	return append(b, field...)
}

// decodeRecord decodes what follows the size. Data and Metadata alias b.
func decodeRecord(b []byte, position uint64) (Record, error) {
	if len(b) < recordFixed {
		return Record{}, errBadRecord
	}
	r := Record{
		JSON:     b[0]&flagJSON != 0,
		ID:       uuid.UUID(b[1:17]),
		Created:  int64(binary.BigEndian.Uint64(b[17:])),
		Revision: int64(binary.BigEndian.Uint64(b[25:])),
		Position: position,
	}
	rest := b[recordFixed:]
	var fields [3][]byte
	for i := range fields {
		length, n := binary.Uvarint(rest)
		if n <= 0 || length > uint64(len(rest)-n) {
			return Record{}, errBadRecord
		}
		fields[i], rest = rest[n:n+int(length)], rest[n+int(length):]
	}
	r.Stream, r.Type, r.Metadata, r.Data = string(fields[0]), string(fields[1]), fields[2], rest
	return r, nil
}

// eachRecord walks the records of one frame.
func eachRecord(payload []byte, offset int64, visit func(*Record) error) error {
	for at := 0; at < len(payload); {
		if len(payload)-at < recordSizeBytes {
			return errBadRecord
		}
		size := int(binary.BigEndian.Uint32(payload[at:]))
		body := at + recordSizeBytes
		if size > len(payload)-body {
			return errBadRecord
		}
		r, err := decodeRecord(payload[body:body+size], uint64(offset)+uint64(at))
		if err != nil {
			return err
		}
		if err := visit(&r); err != nil {
			return err
		}
		at = body + size
	}
	return nil
}
