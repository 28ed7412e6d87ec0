package store

import (
	"fmt"

	"orderflow/dev/kurrentsim/journal"
)

// transaction is a set of records written in one frame: after a crash either all of them
// exist or none.
type transaction struct {
	store   *Store
	records []Record
	next    map[string]int64 // the next revision of streams written in this transaction
}

func (s *Store) begin() *transaction { return &transaction{store: s, next: map[string]int64{}} }

// add appends an event to a stream at its end.
func (t *transaction) add(stream string, e NewEvent) {
	revision, ok := t.next[stream]
	if !ok {
		revision = t.store.lastOf(stream) + 1
	}
	t.next[stream] = revision + 1
	t.records = append(t.records, Record{
		ID: e.ID, Stream: stream, Revision: revision, Type: e.Type, JSON: e.JSON, Data: e.Data, Metadata: e.Metadata,
	})
}

// ticket is what must become durable before a response may be sent.
type ticket struct {
	end     int64
	ordinal uint32
}

// write encodes the transaction, writes it, and applies it to the index. The caller must
// hold the store's lock.
func (t *transaction) write() (ticket, error) {
	s := t.store
	t.reviveLinkTargets()
	t.openLinkTargets()
	created := max(s.clock, s.now().UnixNano()/100)
	size := t.size()
	if size > journal.MaxPayload {
		return ticket{}, ErrAppendTooLarge
	}
	base := s.journal.PayloadOffset()
	payload := make([]byte, 0, size)
	for i := range t.records {
		r := &t.records[i]
		r.Created, r.Position = created, uint64(base)+uint64(len(payload))
		payload = appendRecord(payload, r)
	}
	if _, err := s.journal.Append(payload); err != nil {
		return ticket{}, fmt.Errorf("append to log: %w", err)
	}
	for i := range t.records {
		s.apply(&t.records[i])
	}
	return s.ticket(), nil
}

func (t *transaction) size() int {
	size := 0
	for i := range t.records {
		size += t.records[i].Size() + 64
	}
	return size
}

// reviveLinkTargets undeletes the softly deleted streams that this transaction's links go
// to, as the writes of the projection engine would.
func (t *transaction) reviveLinkTargets() {
	for i, n := 0, len(t.records); i < n; i++ {
		for _, l := range derive(&t.records[i]) {
			target := t.store.index.find(l.stream)
			if target == nil || !target.meta.softDeleted() || t.next[metastream(l.stream)] != 0 {
				continue
			}
			t.undelete(l.stream, target.last()+1, deletedMetadata)
		}
	}
}

// undelete writes metadata that lets the stream begin at revision.
func (t *transaction) undelete(stream string, revision int64, old []byte) {
	t.add(metastream(stream), metadataEvent(withTruncateBefore(old, revision)))
}

// ticket returns a ticket for everything written so far. The caller must hold the store's
// lock.
func (s *Store) ticket() ticket { return ticket{end: s.journal.End(), ordinal: s.index.count} }

// settle waits until the ticket is durable and makes it visible to readers.
func (s *Store) settle(t ticket) error {
	if err := s.journal.Commit(t.end); err != nil {
		return err
	}
	s.publish(t.ordinal)
	return nil
}
