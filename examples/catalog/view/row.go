package view

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"example.com/catalog/video"
)

// row is a row of the table videos.
type row struct {
	Video
	events uint64 // how many are in the row
}

// apply adds the video's next event, as a fold of all its events does.
func (r *row) apply(m video.Message) error {
	state := r.state()
	if err := state.Apply(m); err != nil {
		return err
	}
	if r.events == 0 {
		r.Position, r.UploadedAt = m.Position, m.Time
	}
	r.UpdatedAt = m.Time
	r.set(state)
	return nil
}

// state returns the fold, as far as it is kept in the row.
func (r *row) state() video.Video {
	return video.Video{
		Status: r.Status, Next: r.events, Metadata: video.Metadata{TraceID: r.TraceID},
		Started: video.Started{Title: r.Title},
		Transcoded: video.Transcoded{
			File: video.File{Name: r.File}, DurationMS: r.DurationMS, Width: r.Width, Height: r.Height,
		},
		Transcript: video.Transcribed{Transcript: r.Transcript},
		Failure:    video.Failed{Reason: r.Reason, Detail: r.Detail},
	}
}

func (r *row) set(state video.Video) {
	r.Status, r.events, r.TraceID = state.Status, state.Next, clean(state.Metadata.TraceID)
	r.Title = clean(state.Started.Title)
	r.File, r.DurationMS = clean(state.Transcoded.File.Name), state.Transcoded.DurationMS
	r.Width, r.Height = state.Transcoded.Width, state.Transcoded.Height
	r.Transcript = clean(state.Transcript.Transcript)
	r.Reason, r.Detail = video.Reason(clean(string(state.Failure.Reason))), clean(state.Failure.Detail)
}

// clean replaces the only character that JSON can hold and PostgreSQL cannot.
func clean(text string) string { return strings.ReplaceAll(text, "\x00", "\uFFFD") }

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const selectVideo = `SELECT id, position, events, status, title, file, duration_ms, width, height, transcript,
	reason, detail, uploaded_at, updated_at, trace_id, coalesce(views, 0)
FROM videos LEFT JOIN viewings ON video_id = id
WHERE id = $1`

// find reads a row. It returns ErrNotFound if there is none.
func find(ctx context.Context, q querier, id string) (row, error) {
	rows, _ := q.Query(ctx, selectVideo, id) // CollectExactlyOneRow returns its error
	r, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	return r, err
}

func scan(from pgx.CollectableRow) (r row, err error) {
	err = from.Scan(&r.ID, &r.Position, &r.events, &r.Status, &r.Title, &r.File, &r.DurationMS, &r.Width, &r.Height,
		&r.Transcript, &r.Reason, &r.Detail, &r.UploadedAt, &r.UpdatedAt, &r.TraceID, &r.Views)
	r.UploadedAt, r.UpdatedAt = r.UploadedAt.UTC(), r.UpdatedAt.UTC()
	return r, err
}

const upsertVideo = `INSERT INTO videos (id, position, events, status, title, file, duration_ms, width, height, transcript,
	reason, detail, uploaded_at, updated_at, trace_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (id) DO UPDATE SET events = excluded.events, status = excluded.status, title = excluded.title,
	file = excluded.file, duration_ms = excluded.duration_ms, width = excluded.width, height = excluded.height,
	transcript = excluded.transcript, reason = excluded.reason, detail = excluded.detail,
	updated_at = excluded.updated_at, trace_id = excluded.trace_id`

func save(ctx context.Context, tx pgx.Tx, r row) error {
	_, err := tx.Exec(ctx, upsertVideo, r.ID, r.Position, r.events, r.Status, r.Title, r.File, r.DurationMS, r.Width, r.Height,
		r.Transcript, r.Reason, r.Detail, r.UploadedAt, r.UpdatedAt, r.TraceID)
	return err
}
