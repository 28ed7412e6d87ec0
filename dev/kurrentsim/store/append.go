package store

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Limits of one append, in bytes. Those of an append by a client are tighter: package rpc
// has them.
const (
	MaxEventSize  = 16 << 20
	MaxAppendSize = 256 << 20
)

// MaxNameLength limits the name of a group, in bytes.
const MaxNameLength = 4 << 10

// Expected is the expected state of an append's stream: a revision, or one of three named
// states.
type Expected int64

// Expectations other than an exact revision.
const (
	NoStream     Expected = -1
	Any          Expected = -2
	StreamExists Expected = -4
)

// Known reports whether e is a revision or a named state. The store accepts no other
// value.
func (e Expected) Known() bool { return e >= 0 || e == NoStream || e == Any || e == StreamExists }

// Written is the place of the last event of an append. Revision is -1 if the stream has
// no events.
type Written struct {
	Revision int64
	Position uint64
}

// WrongRevisionError reports an unmet expectation. Current is -1 if the stream does not
// exist.
type WrongRevisionError struct {
	Stream   string
	Expected Expected
	Current  int64
}

func (e *WrongRevisionError) Error() string {
	return fmt.Sprintf("wrong expected version of stream %q: expected %d, actual %d", e.Stream, e.Expected, e.Current)
}

// DeletedError is returned for a stream that was tombstoned, or that is softly deleted
// although it was expected to exist.
type DeletedError struct{ Stream string }

func (e *DeletedError) Error() string { return fmt.Sprintf("Event stream '%s' is deleted.", e.Stream) }

// EventTooLargeError is returned for an event over MaxEventSize.
type EventTooLargeError struct {
	ID   uuid.UUID
	Size int
}

func (e *EventTooLargeError) Error() string {
	return fmt.Sprintf("event %s is %d bytes, the maximum is %d", e.ID, e.Size, MaxEventSize)
}

// Errors of an append that can never succeed.
var (
	ErrAppendTooLarge = fmt.Errorf("maximum append size of %d bytes exceeded", MaxAppendSize)
	ErrInvalidStream  = errors.New("invalid stream name")
	ErrInvalidEvent   = errors.New("an event needs an id and a type")
)

// Append writes the events to the end of the stream atomically, if the stream is as
// expected, and returns once they are durable. For an append that was already made it
// returns the original result and writes nothing.
func (s *Store) Append(stream string, expected Expected, events []NewEvent) (Written, error) {
	return s.StartAppend(stream, expected, events)()
}

// StartAppend is Append for callers that start the next append before this one is
// durable. Appends are written in the order in which they are started. The returned
// function waits until the events are durable. It must be called: readers see the events
// only after that.
func (s *Store) StartAppend(stream string, expected Expected, events []NewEvent) func() (Written, error) {
	if err := validate(stream, events); err != nil {
		return func() (Written, error) { return Written{}, err }
	}
	s.mu.Lock()
	written, t, err := s.append(stream, expected, events)
	s.mu.Unlock()
	return func() (Written, error) {
		// A rejection too is returned only once the events it depends on are durable.
		if settleErr := s.settle(t); settleErr != nil {
			return Written{}, settleErr
		}
		return written, err
	}
}

func (s *Store) append(stream string, expected Expected, events []NewEvent) (Written, ticket, error) {
	repeated, err := s.check(stream, expected, events)
	if err != nil {
		return Written{}, s.ticket(), err
	}
	if repeated != nil {
		return s.readable(stream, *repeated), s.ticket(), nil
	}
	if len(events) == 0 {
		return Written{Revision: s.lastOf(stream), Position: uint64(s.journal.End())}, s.ticket(), nil
	}
	tx := s.begin()
	for _, e := range events {
		tx.add(stream, e)
	}
	s.addUndelete(tx, stream, events[len(events)-1])
	t, err := tx.write()
	if err != nil {
		return Written{}, s.ticket(), err
	}
	for i := range events {
		s.recent.add(stream, &tx.records[i])
	}
	last := tx.records[len(events)-1]
	return Written{Revision: last.Revision, Position: last.Position}, t, nil
}

// addUndelete recreates a softly deleted stream when it, or its metadata, is written to.
// Its new events follow the old revisions, which stay hidden.
func (s *Store) addUndelete(tx *transaction, name string, last NewEvent) {
	if target := s.index.find(name); target != nil && target.meta.softDeleted() {
		tx.undelete(name, target.last()+1, s.metadataBody(name))
		return
	}
	original, ok := originalOf(name)
	if !ok {
		return
	}
	if target := s.index.find(original); target != nil && target.meta.softDeleted() {
		tx.undelete(original, target.last()+1, last.Data)
	}
}

// metadataBody returns the newest metadata of a stream, or nil if there is none.
func (s *Store) metadataBody(name string) []byte {
	meta := s.index.find(metastream(name))
	if meta == nil || len(meta.ordinals) == 0 {
		return nil
	}
	r, err := s.body(meta.ordinals[len(meta.ordinals)-1])
	if err != nil {
		return nil
	}
	return r.Data
}

func metadataEvent(body []byte) NewEvent {
	return NewEvent{ID: uuid.New(), Type: TypeMetadata, JSON: true, Data: body}
}

func validate(stream string, events []NewEvent) error {
	if err := ValidateStream(stream); err != nil {
		return err
	}
	total := 0
	for i := range events {
		e := &events[i]
		if e.ID == uuid.Nil || e.Type == "" {
			return ErrInvalidEvent
		}
		if e.Size() > MaxEventSize {
			return &EventTooLargeError{ID: e.ID, Size: e.Size()}
		}
		total += e.Size()
	}
	if total > MaxAppendSize {
		return ErrAppendTooLarge
	}
	return nil
}

// ValidateStream returns ErrInvalidStream for a name that no stream can have.
func ValidateStream(name string) error {
	if name == "" || name == metastreamPrefix {
		return ErrInvalidStream
	}
	return nil
}

// lastOf returns the last revision of a stream. It returns -1 if the stream does not
// exist, and DeletedRevision if it is tombstoned.
func (s *Store) lastOf(name string) int64 {
	if found := s.index.find(name); found != nil {
		return found.last()
	}
	return -1
}
