package view

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/catalog/video"
)

// ErrNotFound is returned for a video that has no row, perhaps not yet.
var ErrNotFound = errors.New("no such video")

const (
	// callTimeout bounds a call to PostgreSQL, and the transaction of a message.
	callTimeout = 10 * time.Second

	// maxList is how many videos a list has at most.
	maxList = 100

	// schemaLock is the key of the advisory lock under which the tables are created.
	schemaLock = 7_350_101
)

//go:embed schema.sql
var schema string

// View is the read model. It is safe for concurrent use.
type View struct {
	pool          *pgxpool.Pool
	subscriptions []*subscription
}

// Video is the row of a video.
type Video struct {
	ID         string
	Title      string
	Status     video.Status
	Transcript string // empty in a list
	File       string // name of the file that can be played; empty before it is transcoded
	DurationMS int64
	Width      int
	Height     int
	Reason     video.Reason // of a failure
	Detail     string       // of a failure, for people
	Views      int64
	UploadedAt time.Time // when its first event was written
	UpdatedAt  time.Time // when its last event was written
	TraceID    string
	Position   uint64 // of its first event, in the category's stream
}

// Cursor is the end of one list, after which the next begins: the Position of its last
// video. The zero value is before the newest video.
type Cursor uint64

// Open connects to PostgreSQL and creates the tables that are missing.
func Open(ctx context.Context, postgresURL string) (*View, error) {
	pool, err := pgxpool.New(ctx, postgresURL)
	if err != nil {
		return nil, fmt.Errorf("open view: %w", err) // a password in the URL is not quoted
	}
	v := &View{pool: pool}
	v.subscriptions = []*subscription{
		{pool: pool, category: video.Category, aggregate: aggregateVideo},
		{pool: pool, category: video.ViewingCategory, aggregate: aggregateViewing},
	}
	if err := v.createTables(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("create tables of view: %w", err)
	}
	return v, nil
}

// Close closes the connections. Run must have returned.
func (v *View) Close() { v.pool.Close() }

// createTables creates what is missing. Two statements that create the same table at once
// would fail, in spite of IF NOT EXISTS, so replicas take turns.
func (v *View) createTables(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return pgx.BeginFunc(ctx, v.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, schemaLock); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, schema)
		return err
	})
}

// Check returns why the view cannot be read at the moment, or nil.
func (v *View) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := v.pool.Ping(ctx); err != nil {
		return fmt.Errorf("check view: %w", err)
	}
	return nil
}

// Get returns a video. It returns ErrNotFound if the video has no row.
func (v *View) Get(ctx context.Context, id string) (Video, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := find(ctx, v.pool, id)
	if err != nil {
		return Video{}, fmt.Errorf("get video %s: %w", id, err)
	}
	return found.Video, nil
}

const selectVideos = `SELECT id, position, events, status, title, file, duration_ms, width, height, '' AS transcript,
	reason, detail, uploaded_at, updated_at, trace_id, coalesce(views, 0)
FROM videos LEFT JOIN viewings ON video_id = id
WHERE position < $1 ORDER BY position DESC LIMIT $2`

// List returns the videos after a cursor, the newest first: up to limit of them, and not
// more than 100. The next list begins after next, which is zero if there is none.
func (v *View) List(ctx context.Context, after Cursor, limit int) (videos []Video, next Cursor, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if after == 0 || after > math.MaxInt64 {
		after = math.MaxInt64
	}
	limit = min(max(limit, 1), maxList)
	rows, _ := v.pool.Query(ctx, selectVideos, int64(after), limit+1) // CollectRows returns its error
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, 0, fmt.Errorf("list videos: %w", err)
	}
	for _, r := range found[:min(limit, len(found))] {
		videos = append(videos, r.Video)
	}
	if len(found) > limit {
		next = Cursor(videos[limit-1].Position)
	}
	return videos, next, nil
}
