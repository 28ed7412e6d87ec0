package store

import "github.com/google/uuid"

// Delete hides the stream's events; later appends continue behind them. It returns the
// position of the deletion. Deleting a metastream is written and hides nothing: metadata
// has no metadata.
func (s *Store) Delete(name string, expected Expected) (uint64, error) {
	return s.remove(name, expected, s.softDelete)
}

// Tombstone deletes the stream permanently, whether or not it was ever written.
func (s *Store) Tombstone(name string, expected Expected) (uint64, error) {
	return s.remove(name, expected, s.hardDelete)
}

func (s *Store) remove(name string, expected Expected, write func(string, Expected) (uint64, ticket, error)) (uint64, error) {
	if err := ValidateStream(name); err != nil {
		return 0, err
	}
	s.mu.Lock()
	position, t, err := s.removeIf(name, expected, write)
	s.mu.Unlock()
	if settleErr := s.settle(t); settleErr != nil {
		return 0, settleErr
	}
	return position, err
}

// removeIf checks the expectation with an id that was never written, because a deletion
// is not an idempotent append.
func (s *Store) removeIf(name string, expected Expected, write func(string, Expected) (uint64, ticket, error)) (uint64, ticket, error) {
	if _, err := s.check(name, expected, []NewEvent{{ID: uuid.New()}}); err != nil {
		return 0, s.ticket(), err
	}
	position, t, err := write(name, expected)
	if err != nil {
		return 0, s.ticket(), err
	}
	return position, t, nil
}

func (s *Store) softDelete(name string, expected Expected) (uint64, ticket, error) {
	if s.lastOf(name) < 0 && s.lastOf(metastream(name)) < 0 {
		return 0, ticket{}, &WrongRevisionError{Stream: name, Expected: expected, Current: -1}
	}
	tx := s.begin()
	tx.add(metastream(name), metadataEvent(deletedMetadata))
	t, err := tx.write()
	return tx.records[0].Position, t, err
}

func (s *Store) hardDelete(name string, _ Expected) (uint64, ticket, error) {
	tx := s.begin()
	tx.records = append(tx.records, Record{
		ID: uuid.New(), Stream: name, Revision: DeletedRevision, Type: TypeStreamDeleted,
	})
	t, err := tx.write()
	return tx.records[0].Position, t, err
}
