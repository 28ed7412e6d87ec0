package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// ErrNotOurs means that the checkpoint was taken over: another publisher works on another
// incarnation of the slot.
var ErrNotOurs = errors.New("the checkpoint belongs to another publisher")

// System identifies the server that a log belongs to. A restore from a backup or a
// failover to a standby changes its id or its timeline.
type System struct {
	ID       string
	Timeline int32
}

// Checkpoint is the progress of the publisher on a slot.
type Checkpoint struct {
	Slot         string
	System       System
	SlotLSN      LSN   // where this incarnation of the slot begins
	Confirmed    LSN   // the highest position that was ever confirmed
	SnapshotID   int64 // every version up to here was published or set aside, except those committed since
	SnapshotDone bool
	Publication  string // as CheckPublishing returned it when the checkpoint was created
}

// Holds reports whether a publisher on this server and this incarnation of the slot wrote
// the checkpoint.
func (c Checkpoint) Holds(system System, slot Slot) bool {
	return c.System == system && c.SlotLSN <= slot.Confirmed && slot.Confirmed <= c.Confirmed
}

// FindCheckpoint returns a slot's checkpoint. It reports false if there is none.
func (s *Store) FindCheckpoint(ctx context.Context, slot string) (c Checkpoint, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	var begun, confirmed string
	err = s.pool.QueryRow(ctx, `
SELECT slot, system_id, timeline, slot_lsn::text, confirmed_lsn::text, snapshot_id, snapshot_done, publication
FROM publisher_mark WHERE slot = $1`, slot).
		Scan(&c.Slot, &c.System.ID, &c.System.Timeline, &begun, &confirmed, &c.SnapshotID, &c.SnapshotDone, &c.Publication)
	if errors.Is(err, pgx.ErrNoRows) {
		return Checkpoint{}, false, nil
	}
	if err == nil {
		c.SlotLSN, err = parseLSN(begun)
	}
	if err == nil {
		c.Confirmed, err = parseLSN(confirmed)
	}
	return c, err == nil, describe("read checkpoint", err)
}

// PutCheckpoint creates a checkpoint, replacing any other of the slot.
func (s *Store) PutCheckpoint(ctx context.Context, c Checkpoint) error {
	return s.execOnCheckpoint(ctx, c, `
INSERT INTO publisher_mark (slot, system_id, timeline, slot_lsn, confirmed_lsn, snapshot_id, snapshot_done, publication)
VALUES (@slot, @system_id, @timeline, @slot_lsn::text::pg_lsn, @confirmed_lsn::text::pg_lsn, @snapshot_id, @snapshot_done,
    @publication)
ON CONFLICT (slot) DO UPDATE SET system_id = excluded.system_id, timeline = excluded.timeline, slot_lsn = excluded.slot_lsn,
    confirmed_lsn = excluded.confirmed_lsn, snapshot_id = excluded.snapshot_id, snapshot_done = excluded.snapshot_done,
    publication = excluded.publication, updated_at = clock_timestamp()`)
}

// SaveCheckpoint moves a checkpoint forward, never back. It returns ErrNotOurs, and
// changes nothing, if the checkpoint belongs to another incarnation of the slot.
func (s *Store) SaveCheckpoint(ctx context.Context, c Checkpoint) error {
	return s.execOnCheckpoint(ctx, c, `
UPDATE publisher_mark SET confirmed_lsn = greatest(confirmed_lsn, @confirmed_lsn::text::pg_lsn),
    snapshot_id = greatest(snapshot_id, @snapshot_id), snapshot_done = snapshot_done OR @snapshot_done,
    updated_at = clock_timestamp()
WHERE slot = @slot AND system_id = @system_id AND timeline = @timeline AND slot_lsn = @slot_lsn::text::pg_lsn`)
}

// CheckCheckpoint returns ErrNotOurs if the checkpoint is gone or belongs to another
// incarnation of the slot.
func (s *Store) CheckCheckpoint(ctx context.Context, c Checkpoint) error {
	return s.execOnCheckpoint(ctx, c, `
SELECT FROM publisher_mark
WHERE slot = @slot AND system_id = @system_id AND timeline = @timeline AND slot_lsn = @slot_lsn::text::pg_lsn`)
}

func (s *Store) execOnCheckpoint(ctx context.Context, c Checkpoint, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	done, err := s.pool.Exec(ctx, statement, pgx.NamedArgs{
		"slot": c.Slot, "system_id": c.System.ID, "timeline": c.System.Timeline, "slot_lsn": c.SlotLSN.String(),
		"confirmed_lsn": c.Confirmed.String(), "snapshot_id": c.SnapshotID, "snapshot_done": c.SnapshotDone,
		"publication": c.Publication,
	})
	if err == nil && done.RowsAffected() == 0 {
		return ErrNotOurs
	}
	return describe("write checkpoint", err)
}

// DeleteCheckpoint deletes a slot's checkpoint, so that the history is read again.
func (s *Store) DeleteCheckpoint(ctx context.Context, slot string) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	_, err := s.pool.Exec(ctx, `DELETE FROM publisher_mark WHERE slot = $1`, slot)
	return describe("delete checkpoint", err)
}
