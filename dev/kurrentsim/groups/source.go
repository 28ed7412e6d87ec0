package groups

import (
	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/kurrentsim/subscription"
)

// scanWindow is how many events a filtered source looks at before its group does other
// work.
const scanWindow = 4096

// source reads the events of a group in order, each once.
type source struct {
	events   *store.Store
	key      Key
	resolve  bool
	filter   *store.Filter
	next     int64        // next revision to read, or least position
	cursor   store.Cursor // in the global order
	previous int64        // place of the last message
	ended    bool         // the tombstone was read
}

// newSource returns a source that begins behind the checkpoint, or where the
// configuration says if there is no checkpoint.
func newSource(events *store.Store, key Key, config Config, checkpoint int64) (*source, error) {
	filter, err := config.filter()
	if err != nil {
		return nil, err
	}
	s := &source{
		events: events, key: key, resolve: config.Settings.ResolveLinks, filter: filter,
		next: config.From, previous: checkpoint,
	}
	switch checkpoint {
	case subscription.None:
	case store.DeletedRevision:
		s.ended = true
	default:
		s.next = checkpoint + 1
	}
	if key.Stream == All {
		s.cursor = events.CursorAt(uint64(max(s.next, 0)))
	}
	return s, nil
}

// batch is the result of one read.
type batch struct {
	records []store.Record
	skipped int   // events the filter left out
	place   int64 // of the last event looked at
	end     bool  // there was nothing more to read at the time
}

// read returns at most limit messages, plus one for events the filter left out. It
// reports whether there is nothing more to read for now.
func (s *source) read(limit int) ([]*subscription.Message, bool, error) {
	b, err := s.page(limit)
	if err != nil {
		return nil, false, err
	}
	messages := make([]*subscription.Message, 0, len(b.records)+1)
	for i := range b.records {
		event := store.Resolved{Event: &b.records[i]}
		if s.resolve {
			if event, err = s.events.Resolve(b.records[i]); err != nil {
				return nil, false, err
			}
		}
		messages = append(messages, s.follow(&subscription.Message{Event: event, Place: s.place(&b.records[i])}))
	}
	if b.skipped > 0 && b.place > s.previous {
		messages = append(messages, s.follow(&subscription.Message{Skipped: b.skipped, Place: b.place}))
	}
	return messages, b.end, nil
}

// follow links a message to the one before it.
func (s *source) follow(m *subscription.Message) *subscription.Message {
	m.Previous, s.previous = s.previous, m.Place
	return m
}

func (s *source) place(r *store.Record) int64 {
	if s.key.Stream == All {
		return int64(r.Position)
	}
	return r.Revision
}

func (s *source) page(limit int) (batch, error) {
	if s.key.Stream != All {
		page, err := s.events.ReadStream(s.key.Stream, s.next, store.Forwards, limit)
		if err == nil && page.State == store.Tombstoned {
			return s.tombstone()
		}
		s.next = max(s.next, page.Next)
		return batch{records: page.Events, end: page.End}, err
	}
	page, err := s.events.ReadAll(store.AllQuery{From: s.cursor, Limit: limit, Window: scanWindow, Filter: s.filter})
	if err != nil {
		return batch{}, err
	}
	s.cursor = page.Next
	b := batch{records: page.Events, place: int64(page.Position), end: page.End}
	if s.filter != nil { // without one only its own checkpoints are left out; they must not cause more
		b.skipped = page.Considered - page.Hidden - len(page.Events)
	}
	return b, nil
}

// tombstone returns the tombstone once, as the last event of the stream.
func (s *source) tombstone() (batch, error) {
	record, ok, err := s.events.TombstoneOf(s.key.Stream)
	if err != nil || !ok || s.ended {
		return batch{end: true}, err
	}
	s.ended = true
	return batch{records: []store.Record{record}, end: true}, nil
}

// tombstoned reports whether the stream was tombstoned.
func (s *source) tombstoned() bool {
	return s.key.Stream != All && s.events.LastRevision(s.key.Stream) == store.DeletedRevision
}

// drained reports whether there is nothing more to read now.
func (s *source) drained() bool {
	if s.key.Stream == All {
		return s.cursor >= s.events.EndCursor()
	}
	last := s.events.LastRevision(s.key.Stream)
	return s.next > last || last == store.DeletedRevision && s.ended
}
