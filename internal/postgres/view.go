package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/view"
)

// ErrPositionMoved says that another projector has written to the view meanwhile: begin again where it is now.
var ErrPositionMoved = errors.New("the view's position was moved by another projector")

// Projection is one of the views that are kept: the one that is read, or one that is being built to replace it.
type Projection string

// The views.
const (
	ProjectionLive    Projection = "live"
	ProjectionRebuild Projection = "rebuild"
)

// suffix tells the tables of a view that is being built from those that are read.
func (p Projection) suffix() string {
	if p == ProjectionRebuild {
		return "_rebuild"
	}
	return ""
}

// ViewPosition is how far the log was taken into a view.
type ViewPosition struct {
	Commit, Prepare uint64
	EventAt         time.Time // when the last event that was taken was written; zero when there was none
}

// Position reads how far the log was taken.
func (s *Store) Position(ctx context.Context, p Projection) (ViewPosition, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	var position ViewPosition
	var eventAt *time.Time
	err := s.pool.QueryRow(ctx, `SELECT commit_position, prepare_position, event_at FROM projector_position WHERE view = $1`, p).
		Scan(&position.Commit, &position.Prepare, &eventAt)
	if eventAt != nil {
		position.EventAt = *eventAt
	}
	return position, describe("read the view's position", err)
}

// Project takes changes into a view: it loads the rows they are about, lets each change them in turn, and stores them
// together with the position behind the last change. It is ErrPositionMoved, and nothing is stored, when the view is no
// longer where from says.
func (s *Store) Project(ctx context.Context, p Projection, from, to ViewPosition, changes []view.Change) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
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

// movePosition comes first: its row's lock keeps other projectors out until the transaction ends.
func movePosition(ctx context.Context, tx pgx.Tx, p Projection, from, to ViewPosition) error {
	moved, err := tx.Exec(ctx, `
		UPDATE projector_position SET commit_position = $4, prepare_position = $5, event_at = coalesce($6, event_at),
			updated_at = clock_timestamp()
		WHERE view = $1 AND commit_position = $2 AND prepare_position = $3`,
		p, from.Commit, from.Prepare, to.Commit, to.Prepare, nullTime(to.EventAt))
	if err == nil && moved.RowsAffected() == 0 {
		err = ErrPositionMoved
	}
	return err
}

// BeginRebuild makes empty tables for a view that is built beside the one that is read. What an earlier rebuild left is
// dropped.
func (s *Store) BeginRebuild(ctx context.Context) error {
	return s.rebuildStep(ctx, "begin the rebuild", `SELECT projector_rebuild_begin()`)
}

// FinishRebuild puts the view that was built up to a position in the place of the one that is read, in one transaction. It
// errs when another rebuild has begun meanwhile.
func (s *Store) FinishRebuild(ctx context.Context, at ViewPosition) error {
	return s.rebuildStep(ctx, "finish the rebuild", `SELECT projector_rebuild_finish($1, $2)`, at.Commit, at.Prepare)
}

func (s *Store) rebuildStep(ctx context.Context, op, statement string, arguments ...any) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	_, err := s.pool.Exec(ctx, statement, arguments...)
	return describe(op, err)
}

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// viewTables names the tables of a view in a statement, which takes no parameter for a name.
func viewTables(p Projection, statement string) string {
	return fmt.Sprintf(statement, p.suffix())
}
