package store

// StreamAppend is one stream's part of an append to several streams.
type StreamAppend struct {
	Stream   string
	Expected Expected
	Events   []NewEvent
}

// AppendAll appends to several streams atomically; each stream must be named once. It
// returns the place of the last event of each stream, in the order of appends. If all of
// it was appended before, it returns the original result. If only some parts were, it
// returns a WrongRevisionError for one of these.
func (s *Store) AppendAll(appends []StreamAppend) ([]Written, error) {
	for _, a := range appends {
		if len(a.Events) == 0 {
			return nil, ErrInvalidEvent
		}
		if err := validate(a.Stream, a.Events); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	written, t, err := s.appendAll(appends)
	s.mu.Unlock()
	if settleErr := s.settle(t); settleErr != nil {
		return nil, settleErr
	}
	return written, err
}

func (s *Store) appendAll(appends []StreamAppend) ([]Written, ticket, error) {
	written, err := s.checkAll(appends)
	if err != nil || written != nil {
		return written, s.ticket(), err
	}
	tx := s.begin()
	last := make([]int, len(appends))
	for i, a := range appends {
		for _, e := range a.Events {
			tx.add(a.Stream, e)
		}
		last[i] = len(tx.records) - 1
		s.addUndelete(tx, a.Stream, a.Events[len(a.Events)-1])
	}
	t, err := tx.write()
	if err != nil {
		return nil, s.ticket(), err
	}
	written = make([]Written, len(appends))
	for i, a := range appends {
		for back := range a.Events {
			s.recent.add(a.Stream, &tx.records[last[i]-back])
		}
		r := tx.records[last[i]]
		written[i] = Written{Revision: r.Revision, Position: r.Position}
	}
	return written, t, nil
}

// checkAll returns nil if the appends may be made, and the original results if all were
// made before.
func (s *Store) checkAll(appends []StreamAppend) ([]Written, error) {
	var written []Written
	var repeated StreamAppend
	for _, a := range appends {
		before, err := s.check(a.Stream, a.Expected, a.Events)
		if err != nil {
			return nil, err
		}
		if before != nil {
			written, repeated = append(written, s.readable(a.Stream, *before)), a
		}
	}
	if len(written) > 0 && len(written) < len(appends) {
		return nil, &WrongRevisionError{Stream: repeated.Stream, Expected: repeated.Expected, Current: s.lastOf(repeated.Stream)}
	}
	return written, nil
}
