package view_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/catalog/video"
	"example.com/catalog/view"
)

func TestView(t *testing.T) {
	t.Parallel()
	postgres := startPostgres(t)

	t.Run("creates its tables once", func(t *testing.T) {
		r := postgres.newRig(t)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				v, err := view.Open(t.Context(), r.url)
				if err == nil {
					v.Close()
				}
				assert.NoError(t, err)
			})
		}
		group.Wait()
		require.NoError(t, r.open().Check(t.Context()))
	})
	t.Run("has a row that equals the fold", func(t *testing.T) {
		r := postgres.newRig(t)
		v, _ := r.start(r.store)
		done, failed, begun := r.catalog("A film"), video.NewID(), video.NewID()
		r.append(failed, video.TypeStarted, video.Started{VideoID: failed, Title: "Broken"})
		r.append(failed, video.TypeFailed, video.Failed{VideoID: failed, Reason: video.ReasonBroken, Detail: "it ends early"})
		r.append(failed, video.TypeTranscoded, video.Transcoded{VideoID: failed}) // too late
		r.append(begun, video.TypeStarted, video.Started{VideoID: begun, Title: "Begun"})
		r.append(begun, "Unknown", nil)
		r.view(done)
		r.awaitAll()
		for _, id := range []string{done, failed, begun} {
			found, err := v.Get(t.Context(), id)
			require.NoError(t, err)
			folded, events := r.fold(id)
			first, last := events[0], events[len(events)-1]
			require.Equal(t, view.Video{
				ID: id, Title: folded.Started.Title, Status: folded.Status, Transcript: folded.Transcript.Transcript,
				File: folded.Transcoded.File.Name, DurationMS: folded.Transcoded.DurationMS,
				Width: folded.Transcoded.Width, Height: folded.Transcoded.Height,
				Reason: folded.Failure.Reason, Detail: folded.Failure.Detail, Views: r.views(id),
				UploadedAt: first.Time.Truncate(microsecond), UpdatedAt: last.Time.Truncate(microsecond),
				TraceID: "trace-" + id, Position: found.Position,
			}, found)
		}
		_, err := v.Get(t.Context(), video.NewID())
		require.ErrorIs(t, err, view.ErrNotFound)
	})
	t.Run("counts views also before there is a row", func(t *testing.T) {
		r := postgres.newRig(t)
		v, _ := r.start(r.store)
		id := video.NewID()
		r.view(id)
		r.view(id)
		r.awaitAll()
		_, err := v.Get(t.Context(), id)
		require.ErrorIs(t, err, view.ErrNotFound)
		r.append(id, video.TypeStarted, video.Started{VideoID: id, Title: "Seen early"})
		r.awaitAll()
		found, err := v.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, int64(2), found.Views)
	})
	t.Run("lists videos, the newest first", func(t *testing.T) {
		r := postgres.newRig(t)
		v, _ := r.start(r.store)
		none, next, err := v.List(t.Context(), 0, 2)
		require.NoError(t, err)
		require.Empty(t, none)
		require.Zero(t, next)
		for n := range 5 {
			r.catalog(fmt.Sprint(n))
		}
		r.awaitAll()
		var titles []string
		for after, pages := view.Cursor(0), 1; ; pages++ {
			page, next, err := v.List(t.Context(), after, 2)
			require.NoError(t, err)
			for _, found := range page {
				titles = append(titles, found.Title)
				require.Empty(t, found.Transcript)
			}
			if after = next; next == 0 {
				require.Equal(t, 3, pages)
				break
			}
		}
		require.Equal(t, []string{"4", "3", "2", "1", "0"}, titles)
		page, _, err := v.List(t.Context(), 1<<63, 1)
		require.NoError(t, err, "any number is a cursor")
		require.Len(t, page, 1)
	})
}
