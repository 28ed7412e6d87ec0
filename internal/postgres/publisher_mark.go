package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// ErrNotOurs says that the mark was taken over: another publisher works on another life of the slot.
var ErrNotOurs = errors.New("the publisher's mark belongs to another")

// System says which server a log belongs to. After a restore from a backup or a failover to a standby it is another one,
// in its id or its timeline.
type System struct {
	ID       string
	Timeline int32
}

// Mark is how far the publisher has got with a slot.
type Mark struct {
	Slot         string
	System       System
	SlotLSN      LSN   // where this life of the slot begins
	Confirmed    LSN   // no further confirmation was ever given
	SnapshotID   int64 // every version up to here has been published or set aside, but for those committed since
	SnapshotDone bool
	Publication  string // as CheckPublishing returned it when the mark was begun
}

// Holds reports whether the mark was left by a publisher on this server and this life of the slot.
func (m Mark) Holds(system System, slot Slot) bool {
	return m.System == system && m.SlotLSN <= slot.Confirmed && slot.Confirmed <= m.Confirmed
}

// FindMark reads a slot's mark; ok is false when there is none.
func (s *Store) FindMark(ctx context.Context, slot string) (m Mark, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	var begun, confirmed string
	err = s.pool.QueryRow(ctx, `
SELECT slot, system_id, timeline, slot_lsn::text, confirmed_lsn::text, snapshot_id, snapshot_done, publication
FROM publisher_mark WHERE slot = $1`, slot).
		Scan(&m.Slot, &m.System.ID, &m.System.Timeline, &begun, &confirmed, &m.SnapshotID, &m.SnapshotDone, &m.Publication)
	if errors.Is(err, pgx.ErrNoRows) {
		return Mark{}, false, nil
	}
	if err == nil {
		m.SlotLSN, err = parseLSN(begun)
	}
	if err == nil {
		m.Confirmed, err = parseLSN(confirmed)
	}
	return m, err == nil, describe("read mark", err)
}

// PutMark begins a new mark in place of any other.
func (s *Store) PutMark(ctx context.Context, m Mark) error {
	return s.onMark(ctx, m, `
INSERT INTO publisher_mark (slot, system_id, timeline, slot_lsn, confirmed_lsn, snapshot_id, snapshot_done, publication)
VALUES (@slot, @system_id, @timeline, @slot_lsn::text::pg_lsn, @confirmed_lsn::text::pg_lsn, @snapshot_id, @snapshot_done,
    @publication)
ON CONFLICT (slot) DO UPDATE SET system_id = excluded.system_id, timeline = excluded.timeline, slot_lsn = excluded.slot_lsn,
    confirmed_lsn = excluded.confirmed_lsn, snapshot_id = excluded.snapshot_id, snapshot_done = excluded.snapshot_done,
    publication = excluded.publication, updated_at = clock_timestamp()`)
}

// SaveMark moves a mark forward, never back. A mark of another life of the slot is ErrNotOurs and stays as it is.
func (s *Store) SaveMark(ctx context.Context, m Mark) error {
	return s.onMark(ctx, m, `
UPDATE publisher_mark SET confirmed_lsn = greatest(confirmed_lsn, @confirmed_lsn::text::pg_lsn),
    snapshot_id = greatest(snapshot_id, @snapshot_id), snapshot_done = snapshot_done OR @snapshot_done,
    updated_at = clock_timestamp()
WHERE slot = @slot AND system_id = @system_id AND timeline = @timeline AND slot_lsn = @slot_lsn::text::pg_lsn`)
}

// CheckMark is ErrNotOurs when the mark is gone or belongs to another life of the slot.
func (s *Store) CheckMark(ctx context.Context, m Mark) error {
	return s.onMark(ctx, m, `
SELECT FROM publisher_mark
WHERE slot = @slot AND system_id = @system_id AND timeline = @timeline AND slot_lsn = @slot_lsn::text::pg_lsn`)
}

func (s *Store) onMark(ctx context.Context, m Mark, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	done, err := s.pool.Exec(ctx, statement, pgx.NamedArgs{
		"slot": m.Slot, "system_id": m.System.ID, "timeline": m.System.Timeline, "slot_lsn": m.SlotLSN.String(),
		"confirmed_lsn": m.Confirmed.String(), "snapshot_id": m.SnapshotID, "snapshot_done": m.SnapshotDone,
		"publication": m.Publication,
	})
	if err == nil && done.RowsAffected() == 0 {
		return ErrNotOurs
	}
	return describe("write mark", err)
}

// ForgetMark removes a slot's mark, so that the history is read again.
func (s *Store) ForgetMark(ctx context.Context, slot string) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	_, err := s.pool.Exec(ctx, `DELETE FROM publisher_mark WHERE slot = $1`, slot)
	return describe("forget mark", err)
}
