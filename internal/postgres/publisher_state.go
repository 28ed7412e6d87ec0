package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrCheckpointTakenOver means that the checkpoint was taken over: another publisher
// works on another incarnation of the slot.
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

// Matches reports whether a publisher on this server and this incarnation of the slot
// wrote the checkpoint.
func (c Checkpoint) Matches(system System, slot Slot) bool {
	return c.System == system && c.SlotLSN <= slot.Confirmed && slot.Confirmed <= c.Confirmed
}

// PublisherState is what the publisher remembers: its progress on a slot, and the orders
// with versions that it could not publish. It is safe for concurrent use.
type PublisherState struct{ pool *Pool }

// NewPublisherState returns the publisher's state in the pool's database.
func NewPublisherState(pool *Pool) *PublisherState { return &PublisherState{pool: pool} }

// selectCheckpoint reads a slot's checkpoint.
const selectCheckpoint = `
SELECT slot, system_id, timeline, slot_lsn::text, confirmed_lsn::text, snapshot_id, snapshot_done, publication
FROM publisher_mark WHERE slot = $1`

// replaceCheckpoint writes a slot's checkpoint, whatever was there. Repeated, it writes
// the same.
const replaceCheckpoint = `
INSERT INTO publisher_mark (slot, system_id, timeline, slot_lsn, confirmed_lsn, snapshot_id, snapshot_done, publication)
VALUES (@slot, @system_id, @timeline, @slot_lsn::text::pg_lsn, @confirmed_lsn::text::pg_lsn, @snapshot_id, @snapshot_done,
    @publication)
ON CONFLICT (slot) DO UPDATE SET system_id = excluded.system_id, timeline = excluded.timeline, slot_lsn = excluded.slot_lsn,
    confirmed_lsn = excluded.confirmed_lsn, snapshot_id = excluded.snapshot_id, snapshot_done = excluded.snapshot_done,
    publication = excluded.publication, updated_at = clock_timestamp()`

// advanceCheckpoint moves the checkpoint of one incarnation of a slot. It never moves it
// back, so it may be repeated, and late.
const advanceCheckpoint = `
UPDATE publisher_mark SET confirmed_lsn = greatest(confirmed_lsn, @confirmed_lsn::text::pg_lsn),
    snapshot_id = greatest(snapshot_id, @snapshot_id), snapshot_done = snapshot_done OR @snapshot_done,
    updated_at = clock_timestamp()
WHERE slot = @slot AND system_id = @system_id AND timeline = @timeline AND slot_lsn = @slot_lsn::text::pg_lsn`

// verifyCheckpoint reads a row if the checkpoint belongs to this incarnation of the slot.
const verifyCheckpoint = `
SELECT FROM publisher_mark
WHERE slot = @slot AND system_id = @system_id AND timeline = @timeline AND slot_lsn = @slot_lsn::text::pg_lsn`

// FindCheckpoint returns a slot's checkpoint. It reports false if there is none.
func (s *PublisherState) FindCheckpoint(ctx context.Context, slot string) (c Checkpoint, found bool, err error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	var begun, confirmed string
	err = s.pool.db.QueryRow(ctx, selectCheckpoint, slot).
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
	return s.execOnCheckpoint(ctx, c, replaceCheckpoint)
}

// AdvanceCheckpoint moves a checkpoint forward, never back. It returns
// ErrCheckpointTakenOver, and changes nothing, if the checkpoint belongs to another
// incarnation of the slot.
func (s *PublisherState) AdvanceCheckpoint(ctx context.Context, c Checkpoint) error {
	return s.execOnCheckpoint(ctx, c, advanceCheckpoint)
}

// VerifyCheckpoint returns ErrCheckpointTakenOver if the checkpoint is gone or belongs to
// another incarnation of the slot.
func (s *PublisherState) VerifyCheckpoint(ctx context.Context, c Checkpoint) error {
	return s.execOnCheckpoint(ctx, c, verifyCheckpoint)
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

// SetAside is an order with a version that could not be published, and the reason. It
// holds no personal data.
type SetAside struct {
	OrderID  string
	Revision int64 // of the version that could not be published
	Through  int64 // revision of the newest version that waits behind it
	Code     string
	Detail   string
	At       time.Time
}

// insertSetAside records a version that could not be published. Repeated, or for another
// version of the order, it keeps the lowest revision, the highest, and the last reason.
const insertSetAside = `
INSERT INTO publisher_set_aside AS a (order_id, revision, through, code, detail) VALUES ($1, $2, $2, $3, $4)
ON CONFLICT (order_id) DO UPDATE SET revision = least(a.revision, excluded.revision),
    through = greatest(a.through, excluded.through), code = excluded.code, detail = excluded.detail,
    updated_at = clock_timestamp()`

// extendSetAside records that a version waits behind one that is set aside. Repeated, it
// keeps the highest revision.
const extendSetAside = `
UPDATE publisher_set_aside SET through = greatest(through, $2), updated_at = clock_timestamp() WHERE order_id = $1`

// removeSetAside deletes an order's entry unless a version waits that is not published.
// Repeated, it finds no entry.
const removeSetAside = `DELETE FROM publisher_set_aside WHERE order_id = $1 AND through <= $2`

// selectSetAside reads one order's entry.
const selectSetAside = `SELECT order_id, revision, through, code, detail, at FROM publisher_set_aside WHERE order_id = $1`

// listSetAside reads the entries that follow an order id, in the order of the primary
// key.
const listSetAside = `
SELECT order_id, revision, through, code, detail, at FROM publisher_set_aside
WHERE order_id > $1 ORDER BY order_id LIMIT $2`

// SetAside sets an order's version aside, with the reason. If several versions of an
// order are set aside, the first revision and the last reason are kept.
func (s *PublisherState) SetAside(ctx context.Context, a SetAside) error {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	_, err := s.pool.db.Exec(ctx, insertSetAside, a.OrderID, a.Revision, a.Code, a.Detail)
	return describe("set aside", err)
}

// ExtendSetAside queues a version behind those of its order that are set aside, and
// reports whether the order is set aside.
func (s *PublisherState) ExtendSetAside(ctx context.Context, orderID string, revision int64) (bool, error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	done, err := s.pool.db.Exec(ctx, extendSetAside, orderID, revision)
	return done.RowsAffected() > 0, describe("extend set aside", err)
}

// RemoveSetAside removes an order's entry if no version after the published revision
// waits, and reports whether it did.
func (s *PublisherState) RemoveSetAside(ctx context.Context, orderID string, published int64) (bool, error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	done, err := s.pool.db.Exec(ctx, removeSetAside, orderID, published)
	return done.RowsAffected() > 0, describe("remove set aside", err)
}

// FindSetAside returns one order's entry, or ErrNotFound if the order is not set aside.
func (s *PublisherState) FindSetAside(ctx context.Context, orderID string) (SetAside, error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	row := s.pool.db.QueryRow(ctx, selectSetAside, orderID)
	a, err := scanSetAside(row)
	if errors.Is(err, pgx.ErrNoRows) {
		return SetAside{}, ErrNotFound
	}
	return a, describe("find set aside", err)
}

// ListSetAside returns the entries that follow an order id, sorted by it: at most limit,
// and at most 1,000.
func (s *PublisherState) ListSetAside(ctx context.Context, orderID string, limit int) ([]SetAside, error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	rows, err := s.pool.db.Query(ctx, listSetAside, orderID, min(limit, maxListed))
	if err != nil {
		return nil, describe("list set aside", err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (SetAside, error) { return scanSetAside(row) })
	return entries, describe("list set aside", err)
}

// CountSetAside counts the orders that are set aside.
func (s *PublisherState) CountSetAside(ctx context.Context) (orders int64, err error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	err = s.pool.db.QueryRow(ctx, `SELECT count(*) FROM publisher_set_aside`).Scan(&orders)
	return orders, describe("count set aside", err)
}

func scanSetAside(row pgx.Row) (a SetAside, err error) {
	err = row.Scan(&a.OrderID, &a.Revision, &a.Through, &a.Code, &a.Detail, &a.At)
	a.At = a.At.UTC()
	return a, err
}
