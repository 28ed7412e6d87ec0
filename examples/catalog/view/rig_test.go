package view_test

import (
	"context"
	"log/slog"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/kurrentsim"

	"example.com/catalog/messages"
	"example.com/catalog/video"
	"example.com/catalog/view"
)

// waitLimit bounds the wait for anything that should happen, also on a busy machine.
const waitLimit = time.Minute

// startPostgres starts a server for the databases of a test's parts.
func startPostgres(t *testing.T) *databases {
	server, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Fast: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	return &databases{server: server.URL}
}

type databases struct {
	server string
	count  atomic.Int64
}

// rig is a database and a message store for one part of a test.
type rig struct {
	*testing.T
	url   string // of the database
	db    *pgx.Conn
	store *messages.Store
}

func (d *databases) newRig(t *testing.T) *rig {
	name := "view" + strconv.FormatInt(d.count.Add(1), 10)
	admin := connect(t, d.server)
	_, err := admin.Exec(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	address, err := url.Parse(d.server)
	require.NoError(t, err)
	address.Path = "/" + name
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	store, err := messages.Open(server.URL(), true, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return &rig{T: t, url: address.String(), db: connect(t, address.String()), store: store}
}

func connect(t *testing.T, url string) *pgx.Conn {
	db, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	return db
}

func (r *rig) open() *view.View {
	v, err := view.Open(r.Context(), r.url)
	require.NoError(r, err)
	r.Cleanup(v.Close)
	return v
}

// start runs a replica until stop is called or the test ends.
func (r *rig) start(store view.Subscriber) (v *view.View, stop func()) {
	v = r.open()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx, store, slog.New(slog.DiscardHandler)) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(r, <-ended)
		}
	}
	r.Cleanup(stop)
	return v, stop
}

// append appends the next event of a video.
func (r *rig) append(id, eventType string, data any) {
	events, err := r.store.Read(r.Context(), video.Stream(id))
	require.NoError(r, err)
	metadata := video.NewMetadata("trace-"+id, video.CommandStream(id), uuid.New())
	m := video.NewMessage{ID: uuid.New(), Type: eventType, Data: data, Metadata: metadata}
	require.NoError(r, r.store.Append(r.Context(), video.Stream(id), messages.After(uint64(len(events))), m))
}

// catalog appends all events of a new video, and returns its id.
func (r *rig) catalog(title string) string {
	id := video.NewID()
	r.append(id, video.TypeStarted, video.Started{VideoID: id, Title: title})
	r.append(id, video.TypeTranscoded, video.Transcoded{
		VideoID: id, File: video.File{Name: id + ".mp4"}, DurationMS: 1500, Width: 640, Height: 360,
	})
	r.append(id, video.TypeTranscribed, video.Transcribed{VideoID: id, Transcript: "it was said in " + title})
	r.append(id, video.TypeCataloged, video.Cataloged{VideoID: id})
	return id
}

// view appends that a video was viewed.
func (r *rig) view(id string) {
	require.NoError(r, r.store.Append(r.Context(), video.ViewingStream(id), messages.Any, video.NewMessage{
		ID: uuid.New(), Type: video.TypeViewed, Data: video.Viewed{VideoID: id},
	}))
}

// fold returns the fold of a video's stream.
func (r *rig) fold(id string) (video.Video, []video.Message) {
	events, err := r.store.Read(r.Context(), video.Stream(id))
	require.NoError(r, err)
	folded, err := video.Fold(events)
	require.NoError(r, err)
	return folded, events
}

// awaitAll waits until both categories are applied to their end.
func (r *rig) awaitAll() {
	ends := map[string]int64{video.Category: r.end(video.Category), video.ViewingCategory: r.end(video.ViewingCategory)}
	require.Eventually(r, func() bool {
		for category, end := range ends {
			if r.position(category) != end {
				return false
			}
		}
		return true
	}, waitLimit, 5*time.Millisecond)
}

// end returns the position of a category's last message.
func (r *rig) end(category string) int64 {
	found, err := r.store.Read(r.Context(), "$ce-"+category)
	require.NoError(r, err)
	return int64(len(found)) - 1
}

func (r *rig) position(category string) (position int64) {
	err := r.db.QueryRow(r.Context(), `SELECT position FROM positions WHERE subscription = $1`, category).Scan(&position)
	if err != nil {
		return -2
	}
	return position
}

// rows returns everything in the tables as text.
func (r *rig) rows() (all []string) {
	rows, err := r.db.Query(r.Context(), `SELECT positions::text FROM positions UNION ALL SELECT videos::text FROM videos
		UNION ALL SELECT viewings::text FROM viewings ORDER BY 1`)
	require.NoError(r, err)
	all, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(r, err)
	return all
}

// views returns how often a video was viewed, known or not.
func (r *rig) views(id string) (views int64) {
	row := r.db.QueryRow(r.Context(), `SELECT coalesce(sum(views), 0) FROM viewings WHERE video_id = $1`, id)
	require.NoError(r, row.Scan(&views))
	return views
}
