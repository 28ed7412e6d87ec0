package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/view"
)

// ErrPositionMoved means that another projector has written to the view meanwhile:
// continue from its current position.
var ErrPositionMoved = errors.New("the view's position was moved by another projector")

// Projection names a copy of the view: the one that is read, or one that is being built
// to replace it.
type Projection string

// The copies of the view.
const (
	ProjectionLive    Projection = "live"
	ProjectionRebuild Projection = "rebuild"
)

// suffix returns the suffix of the names of a projection's tables.
func (p Projection) suffix() string {
	if p == ProjectionRebuild {
		return "_rebuild"
	}
	return ""
}

// CustomerView holds one row per customer and per order, projected from the event
// streams. The projector writes it, and the api reads it. It is safe for concurrent use.
type CustomerView struct{ pool *Pool }

// NewCustomerView returns the view in the pool's database.
func NewCustomerView(pool *Pool) *CustomerView { return &CustomerView{pool: pool} }

// ViewPosition is the position in the log up to which a view is current.
type ViewPosition struct {
	Commit, Prepare uint64
	EventAt         time.Time // when the last projected event was written; zero if there was none
}

// selectPosition reads how far the log was projected into a view.
const selectPosition = `SELECT commit_position, prepare_position, event_at FROM projector_position WHERE view = $1`

// updatePosition moves a view's position from one that is expected, and locks it until
// the transaction ends. Repeated, it finds the position moved and changes nothing.
const updatePosition = `
UPDATE projector_position SET commit_position = $4, prepare_position = $5, event_at = coalesce($6, event_at),
    updated_at = clock_timestamp()
WHERE view = $1 AND commit_position = $2 AND prepare_position = $3`

// beginRebuild creates the tables of a rebuild and its position. Repeated, it starts the
// rebuild again.
const beginRebuild = `SELECT projector_rebuild_begin()`

// finishRebuild renames the tables of a rebuild that is at this position. Repeated, it
// finds no such rebuild and fails.
const finishRebuild = `SELECT projector_rebuild_finish($1, $2)`

// Position returns how far the log was projected into a view.
func (v *CustomerView) Position(ctx context.Context, p Projection) (ViewPosition, error) {
	ctx, cancel := v.pool.withDeadline(ctx)
	defer cancel()
	position, err := readPosition(ctx, v.pool.db, p)
	return position, describe("read the view's position", err)
}

func readPosition(ctx context.Context, db rowQuerier, p Projection) (at ViewPosition, err error) {
	var eventAt *time.Time // null before the first event
	err = db.QueryRow(ctx, selectPosition, p).Scan(&at.Commit, &at.Prepare, &eventAt)
	if eventAt != nil {
		at.EventAt = *eventAt
	}
	return at, err
}

// Project applies changes to a view: it loads the rows that they affect, applies the
// changes in order, and stores the rows together with the position after the last change.
// It returns ErrPositionMoved, and stores nothing, if the view is no longer at the
// position from.
func (v *CustomerView) Project(ctx context.Context, p Projection, from, to ViewPosition, changes []view.Change) error {
	ctx, cancel := v.pool.withDeadline(ctx)
	defer cancel()
	err := pgx.BeginFunc(ctx, v.pool.db, func(tx pgx.Tx) error {
		if err := relaxCommit(ctx, tx, p); err != nil {
			return err
		}
		if err := movePosition(ctx, tx, p, from, to); err != nil || len(changes) == 0 {
			return err
		}
		rows, err := loadView(ctx, tx, p, changes)
		if err != nil {
			return err
		}
		for _, c := range changes {
			rows.Apply(c)
		}
		return storeView(ctx, tx, p, rows)
	})
	if errors.Is(err, ErrPositionMoved) {
		return err
	}
	return describe("project", err)
}

// relaxCommit makes the commits of a rebuild not wait for the disk. A crash of the server
// may lose the newest of them, but never rows without their position: the tables are
// logged, and one transaction writes both. A session that goes on after a crash reads the
// stored position. The crash also ends the connection that holds the rebuild's lock, and
// so soon the rebuild. The transaction that renames the tables waits for the disk, and so
// for the whole log before it, and fails if a commit was lost meanwhile.
func relaxCommit(ctx context.Context, tx pgx.Tx, p Projection) error {
	if p != ProjectionRebuild {
		return nil
	}
	_, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = off`)
	return err
}

// movePosition must run before the rows are read: its row lock excludes other projectors until the
// transaction ends.
func movePosition(ctx context.Context, tx pgx.Tx, p Projection, from, to ViewPosition) error {
	moved, err := tx.Exec(ctx, updatePosition,
		p, from.Commit, from.Prepare, to.Commit, to.Prepare, optionalTime(to.EventAt))
	if err == nil && moved.RowsAffected() == 0 {
		err = ErrPositionMoved
	}
	return err
}

// BeginRebuild creates empty tables for a view that is built alongside the one that is
// read. Tables of an earlier rebuild are dropped.
func (v *CustomerView) BeginRebuild(ctx context.Context) error {
	return v.rebuildStep(ctx, "begin the rebuild", beginRebuild)
}

// FinishRebuild replaces the view that is read by the one that was built up to a
// position, in one transaction. It returns an error if another rebuild has begun
// meanwhile.
func (v *CustomerView) FinishRebuild(ctx context.Context, at ViewPosition) error {
	return v.rebuildStep(ctx, "finish the rebuild", finishRebuild, at.Commit, at.Prepare)
}

func (v *CustomerView) rebuildStep(ctx context.Context, op, statement string, arguments ...any) error {
	ctx, cancel := v.pool.withDeadline(ctx)
	defer cancel()
	_, err := v.pool.db.Exec(ctx, statement, arguments...)
	return describe(op, err)
}

// viewTables inserts the names of a view's tables into a statement, because names cannot
// be parameters.
func viewTables(p Projection, statement string) string {
	return fmt.Sprintf(statement, p.suffix())
}
