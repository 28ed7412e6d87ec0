package orders

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"orderflow/dev/sampledata"
	"orderflow/internal/kurrent"
)

// maxBatchEvents bounds the events of one append.
const maxBatchEvents = 500

// retryEvery is the wait between attempts to append while the event store is unavailable.
const retryEvery = 500 * time.Millisecond

// EventLog is the part of kurrent.Client that appending needs.
type EventLog interface {
	Append(ctx context.Context, stream string, expected kurrent.Expected, events ...kurrent.NewEvent) (uint64, error)
	ReadStream(ctx context.Context, stream string, from uint64, limit int, visit func(kurrent.Event) error) error
}

// DifferentError reports that a stream already holds different content at the given
// revision.
type DifferentError struct {
	Stream   string
	Revision uint64
	What     string
}

// Error returns the position and what was found there.
func (e *DifferentError) Error() string {
	return fmt.Sprintf("stream %s, revision %d: %s", e.Stream, e.Revision, e.What)
}

// Appender appends streams starting at revision 0. A stream that is appended again
// continues after its earlier events. It is not safe for concurrent use.
type Appender struct {
	log  EventLog
	say  func(format string, args ...any)
	next map[string]uint64 // the revision of the next event, by stream
}

// NewAppender returns an Appender without any appended streams. It calls say with one
// line when it has to wait.
func NewAppender(log EventLog, say func(format string, args ...any)) *Appender {
	return &Appender{log: log, say: say, next: map[string]uint64{}}
}

// Append writes the events at exactly the revisions where they belong. Identical events
// that are already there are skipped; anything else there is a *DifferentError. It
// retries while the event store is unavailable.
func (a *Appender) Append(ctx context.Context, s sampledata.Stream) error {
	waiting := false
	for {
		err := a.attempt(ctx, s)
		if !errors.Is(err, kurrent.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		if !waiting {
			waiting = true
			a.say("the event store is unavailable, retrying: %s", err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryEvery):
		}
	}
}

func (a *Appender) attempt(ctx context.Context, s sampledata.Stream) error {
	events, err := newEvents(s)
	if err != nil {
		return err
	}
	first := a.next[s.Name]
	found, err := a.compare(ctx, s, first)
	if err != nil {
		return err
	}
	for found < len(events) {
		size := batch(events[found:])
		if err := a.write(ctx, s.Name, first+uint64(found), events[found:found+size]); err != nil {
			return err
		}
		found += size
	}
	a.next[s.Name] = first + uint64(len(events))
	return nil
}

// compare returns how many of the events the stream already holds. It compares content,
// because the server compares only ids.
func (a *Appender) compare(ctx context.Context, s sampledata.Stream, first uint64) (found int, err error) {
	if len(s.Events) == 0 {
		return 0, nil
	}
	err = a.log.ReadStream(ctx, s.Name, first, len(s.Events), func(stored kurrent.Event) error {
		revision := first + uint64(found)
		if stored.Revision != revision {
			return &DifferentError{Stream: s.Name, Revision: revision, What: "the event at this revision is gone"}
		}
		if what := difference(stored, s.Events[found]); what != "" {
			return &DifferentError{Stream: s.Name, Revision: revision, What: what}
		}
		found++
		return nil
	})
	if errors.Is(err, kurrent.ErrNotFound) {
		return 0, nil
	}
	return found, err
}

func difference(stored kurrent.Event, wanted sampledata.Event) string {
	switch {
	case stored.ID.String() != wanted.ID:
		return fmt.Sprintf("holds event %s, not %s", stored.ID, wanted.ID)
	case stored.Type != wanted.Type:
		return fmt.Sprintf("event %s has type %s, not %s", wanted.ID, stored.Type, wanted.Type)
	case !bytes.Equal(stored.Data, wanted.Data) || !bytes.Equal(stored.Metadata, wanted.Metadata):
		return fmt.Sprintf("event %s has different content there", wanted.ID)
	}
	return ""
}

func (a *Appender) write(ctx context.Context, stream string, revision uint64, events []kurrent.NewEvent) error {
	expected := kurrent.NoStream()
	if revision > 0 {
		expected = kurrent.At(revision - 1)
	}
	last, err := a.log.Append(ctx, stream, expected, events...)
	if errors.Is(err, kurrent.ErrWrongRevision) {
		return &DifferentError{Stream: stream, Revision: revision, What: "the stream is not at the expected revision"}
	}
	if err == nil && last != revision+uint64(len(events))-1 { // a deleted stream continues after its old revisions
		return &DifferentError{Stream: stream, Revision: revision, What: fmt.Sprintf("the events were written up to revision %d", last)}
	}
	return err
}

// batch returns how many events go into the next append: at least one, and no more than
// every server accepts.
func batch(events []kurrent.NewEvent) int {
	count, size := 0, 0
	for _, e := range events {
		size += e.Size()
		if count > 0 && size > kurrent.MaxAppendBytes || count == maxBatchEvents {
			break
		}
		count++
	}
	return count
}

func newEvents(s sampledata.Stream) ([]kurrent.NewEvent, error) {
	events := make([]kurrent.NewEvent, len(s.Events))
	for i, e := range s.Events {
		id, err := uuid.Parse(e.ID)
		if err != nil {
			return nil, fmt.Errorf("stream %s, event %d: id: %w", s.Name, i, err)
		}
		binary := e.ContentType == sampledata.ContentTypeBinary
		events[i] = kurrent.NewEvent{ID: id, Type: e.Type, Data: e.Data, Metadata: e.Metadata, Binary: binary}
	}
	return events, nil
}
