package view_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"example.com/catalog/messages"
	"example.com/catalog/video"
	"example.com/catalog/view"
)

// microsecond is the precision of PostgreSQL's times.
const microsecond = time.Microsecond

var errCrash = errors.New("crashed")

// crashing is a store whose subscriptions end before every third message, and after it is
// handled but not acknowledged.
type crashing struct {
	view.Subscriber
	messages atomic.Int64
}

func (c *crashing) Subscribe(
	ctx context.Context, category string, after *uint64, handle func(context.Context, video.Message) error,
) error {
	return c.Subscriber.Subscribe(ctx, category, after, func(ctx context.Context, m video.Message) error {
		n := c.messages.Add(1)
		if n%3 == 0 {
			return errCrash
		}
		err := handle(ctx, m)
		if err == nil && n%3 == 1 {
			err = errCrash
		}
		return err
	})
}

// viewAll appends views of several videos at once.
func (r *rig) viewAll(ids []string, times int) {
	var group sync.WaitGroup
	for _, id := range ids {
		group.Go(func() {
			for range times {
				r.view(id)
			}
		})
	}
	group.Wait()
}

func TestRun(t *testing.T) {
	t.Parallel()
	postgres := startPostgres(t)

	t.Run("applies each message once with two replicas", func(t *testing.T) {
		r := postgres.newRig(t)
		r.start(r.store)
		r.start(r.store)
		ids := []string{r.catalog("1"), r.catalog("2"), video.NewID()}
		r.viewAll(ids, 40)
		ids = append(ids, r.catalog("3"))
		r.awaitAll()
		for _, id := range ids[:3] {
			require.Equal(t, int64(40), r.views(id))
		}
		r.requireFolds(ids[0], ids[1], ids[3])
	})
	t.Run("resumes after crashes, also of the database's connections", func(t *testing.T) {
		r := postgres.newRig(t)
		ids := []string{r.catalog("1"), r.catalog("2")}
		r.viewAll(ids, 5)
		v, _ := r.start(&crashing{Subscriber: r.store})
		r.start(&crashing{Subscriber: r.store})
		require.Eventually(t, func() bool { return r.position(video.ViewingCategory) >= 2 }, waitLimit, time.Millisecond)
		_, err := r.db.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		require.NoError(t, err)
		r.awaitAll()
		require.Equal(t, int64(5), r.views(ids[0]))
		require.Equal(t, int64(5), r.views(ids[1]))
		r.requireFolds(ids...)
		require.NotZero(t, metric(t, v, "catalog_view_retries"))
	})
	t.Run("begins where it ended", func(t *testing.T) {
		r := postgres.newRig(t)
		_, stop := r.start(r.store)
		id := r.catalog("1")
		r.view(id)
		r.awaitAll()
		stop()
		r.view(id)
		r.start(r.store)
		r.awaitAll()
		require.Equal(t, int64(2), r.views(id))
	})
	t.Run("rebuilds the same rows", func(t *testing.T) {
		r := postgres.newRig(t)
		_, stop := r.start(r.store)
		id := r.catalog("1")
		r.viewAll([]string{id, video.NewID()}, 3)
		r.awaitAll()
		before := r.rows()
		require.Len(t, before, 5)
		truncate := func() {
			_, err := r.db.Exec(t.Context(), `TRUNCATE positions, videos, viewings`)
			require.NoError(t, err)
		}
		stop()
		truncate()
		v, _ := r.start(r.store)
		r.awaitAll()
		require.Equal(t, before, r.rows())

		truncate() // while it runs: it notices with the next message
		second := r.catalog("2")
		r.view(second)
		r.awaitAll()
		require.Equal(t, int64(3), r.views(id))
		require.Equal(t, int64(1), r.views(second))
		r.requireFolds(id, second)
		require.Equal(t, int64(2), metric(t, v, "catalog_view_retries"))
	})
	t.Run("skips what cannot be applied", func(t *testing.T) {
		r := postgres.newRig(t)
		v, _ := r.start(r.store)
		broken, odd := r.catalog("1"), video.NewID()
		r.append(broken, video.TypeStarted, "no object") // ignored: the video has ended
		other := func(stream, messageType string, data any) {
			m := video.NewMessage{ID: uuid.New(), Type: messageType, Data: data}
			require.NoError(t, r.store.Append(t.Context(), stream, messages.Any, m))
		}
		other(video.Stream("not-an-id"), video.TypeStarted, nil)
		other(video.Stream(odd), video.TypeStarted, "no object")
		other(video.ViewingStream("not-an-id"), video.TypeViewed, nil)
		other(video.ViewingStream(odd), "Other", nil)
		last := video.NewID()
		r.append(last, video.TypeStarted, video.Started{VideoID: last, Title: "with \x00"})
		r.awaitAll()
		require.Equal(t, int64(4), metric(t, v, "catalog_view_skipped"))
		found, err := v.Get(t.Context(), last)
		require.NoError(t, err)
		require.Equal(t, "with \uFFFD", found.Title)
		_, err = v.Get(t.Context(), odd)
		require.ErrorIs(t, err, view.ErrNotFound)
	})
}

// requireFolds requires that the rows of videos have the state of their streams.
func (r *rig) requireFolds(ids ...string) {
	for _, id := range ids {
		folded, _ := r.fold(id)
		var status video.Status
		var events uint64
		row := r.db.QueryRow(r.Context(), `SELECT status, events FROM videos WHERE id = $1`, id)
		require.NoError(r, row.Scan(&status, &events))
		require.Equal(r, folded.Status, status)
		require.Equal(r, folded.Next, events)
	}
}

// metric returns the sum of a counter over the categories.
func metric(t *testing.T, v *view.View, name string) (sum int64) {
	reader := sdkmetric.NewManualReader()
	require.NoError(t, v.Measure(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	for _, found := range all.ScopeMetrics[0].Metrics {
		if counter, ok := found.Data.(metricdata.Sum[int64]); ok && found.Name == name {
			for _, point := range counter.DataPoints {
				sum += point.Value
			}
		}
	}
	return sum
}
