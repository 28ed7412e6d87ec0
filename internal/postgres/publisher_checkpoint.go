package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// ErrCheckpointTakenOver means that the checkpoint was taken over: another publisher works on another
// incarnation of the slot.
var ErrCheckpointTakenOver = errors.New("the checkpoint belongs to another publisher")

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
	Publication  string // as Publication.Check returned it when the checkpoint was created
}

// Matches reports whether a publisher on this server and this incarnation of the slot wrote
// the checkpoint.
func (c Checkpoint) Matches(system System, slot Slot) bool {
	return c.System == system && c.SlotLSN <= slot.Confirmed && slot.Confirmed <= c.Confirmed
}

// PublisherState is what the publisher remembers: its progress on a slot, and the orders
// with versions that it could not publish. It is safe for concurrent use.
type PublisherState struct{ pool *Pool }

// NewPublisherState returns the publisher's state in the pool's database.
func NewPublisherState(pool *Pool) *PublisherState { return &PublisherState{pool: pool} }

// FindCheckpoint returns a slot's checkpoint. It reports false if there is none.
func (s *PublisherState) FindCheckpoint(ctx context.Context, slot string) (c Checkpoint, found bool, err error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	var begun, confirmed string
	err = s.pool.db.QueryRow(ctx, `
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

// ReplaceCheckpoint creates a checkpoint, replacing any other of the slot.
func (s *PublisherState) ReplaceCheckpoint(ctx context.Context, c Checkpoint) error {
	return s.execOnCheckpoint(ctx, c, `
INSERT INTO publisher_mark (slot, system_id, timeline, slot_lsn, confirmed_lsn, snapshot_id, snapshot_done, publication)
VALUES (@slot, @system_id, @timeline, @slot_lsn::text::pg_lsn, @confirmed_lsn::text::pg_lsn, @snapshot_id, @snapshot_done,
    @publication)
ON CONFLICT (slot) DO UPDATE SET system_id = excluded.system_id, timeline = excluded.timeline, slot_lsn = excluded.slot_lsn,
    confirmed_lsn = excluded.confirmed_lsn, snapshot_id = excluded.snapshot_id, snapshot_done = excluded.snapshot_done,
    publication = excluded.publication, updated_at = clock_timestamp()`)
}

// AdvanceCheckpoint moves a checkpoint forward, never back. It returns ErrCheckpointTakenOver, and
// changes nothing, if the checkpoint belongs to another incarnation of the slot.
func (s *PublisherState) AdvanceCheckpoint(ctx context.Context, c Checkpoint) error {
	return s.execOnCheckpoint(ctx, c, `
UPDATE publisher_mark SET confirmed_lsn = greatest(confirmed_lsn, @confirmed_lsn::text::pg_lsn),
    snapshot_id = greatest(snapshot_id, @snapshot_id), snapshot_done = snapshot_done OR @snapshot_done,
    updated_at = clock_timestamp()
WHERE slot = @slot AND system_id = @system_id AND timeline = @timeline AND slot_lsn = @slot_lsn::text::pg_lsn`)
}

// VerifyCheckpoint returns ErrCheckpointTakenOver if the checkpoint is gone or belongs to another
// incarnation of the slot.
func (s *PublisherState) VerifyCheckpoint(ctx context.Context, c Checkpoint) error {
	return s.execOnCheckpoint(ctx, c, `
SELECT FROM publisher_mark
WHERE slot = @slot AND system_id = @system_id AND timeline = @timeline AND slot_lsn = @slot_lsn::text::pg_lsn`)
}

func (s *PublisherState) execOnCheckpoint(ctx context.Context, c Checkpoint, statement string) error {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	done, err := s.pool.db.Exec(ctx, statement, pgx.NamedArgs{
		"slot": c.Slot, "system_id": c.System.ID, "timeline": c.System.Timeline, "slot_lsn": c.SlotLSN.String(),
		"confirmed_lsn": c.Confirmed.String(), "snapshot_id": c.SnapshotID, "snapshot_done": c.SnapshotDone,
		"publication": c.Publication,
	})
	if err == nil && done.RowsAffected() == 0 {
		return ErrCheckpointTakenOver
	}
	return describe("write checkpoint", err)
}

// DeleteCheckpoint deletes a slot's checkpoint, so that the history is read again.
func (s *PublisherState) DeleteCheckpoint(ctx context.Context, slot string) error {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	_, err := s.pool.db.Exec(ctx, `DELETE FROM publisher_mark WHERE slot = $1`, slot)
	return describe("delete checkpoint", err)
}
