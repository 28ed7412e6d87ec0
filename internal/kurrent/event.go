package kurrent

import (
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// Event is an event as stored in its stream.
type Event struct {
	ID          uuid.UUID
	Stream      string
	Revision    uint64 // its position in the stream, from 0
	Type        string
	ContentType string // application/json or application/octet-stream
	Data        []byte
	Metadata    []byte
	Created     time.Time // when the server wrote it, UTC
}

// NewEvent is an event to append. Its content type is JSON unless Binary is set.
type NewEvent struct {
	ID       uuid.UUID
	Type     string
	Data     []byte
	Metadata []byte // JSON or empty
	Binary   bool   // application/octet-stream
}

// Size returns how many bytes the event counts toward the server's limit on an append.
func (e NewEvent) Size() int { return len(e.Data) + len(e.Metadata) + 2*len(e.Type) }

// Expected is the state a stream must be in for an append to succeed. The zero value is
// NoStream.
type Expected struct {
	kind     expectedKind
	revision uint64
}

type expectedKind int

const (
	expectNoStream expectedKind = iota
	expectRevision
	expectAny
)

// NoStream expects a stream without events. Repeating the append with the same events
// changes nothing.
func NoStream() Expected { return Expected{} }

// At expects the stream's last event to have this revision. Repeating the append with the
// same events changes nothing.
func At(revision uint64) Expected { return Expected{kind: expectRevision, revision: revision} }

// Any expects nothing. Repeating the append may write the events twice: the server
// remembers ids only for a while.
func Any() Expected { return Expected{kind: expectAny} }

func (e Expected) state() kurrentdb.StreamState {
	switch e.kind {
	case expectRevision:
		return kurrentdb.StreamRevision{Value: e.revision}
	case expectAny:
		return kurrentdb.Any{}
	default:
		return kurrentdb.NoStream{}
	}
}

// LinkTarget returns the event that a link points to. It reports false if the event is
// not a link.
func LinkTarget(link Event) (stream string, revision uint64, ok bool) {
	number, stream, ok := strings.Cut(string(link.Data), "@")
	revision, err := strconv.ParseUint(number, 10, 64)
	if link.Type != "$>" || !ok || stream == "" || err != nil {
		return "", 0, false
	}
	return stream, revision, true
}

func eventOf(e *kurrentdb.RecordedEvent) *Event {
	if e == nil {
		return nil
	}
	return &Event{
		ID: e.EventID, Stream: e.StreamID, Revision: e.EventNumber, Type: e.EventType, ContentType: e.ContentType,
		Data: e.Data, Metadata: e.UserMetadata, Created: e.CreatedDate,
	}
}
