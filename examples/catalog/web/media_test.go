package web

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/catalog/messages"
	"example.com/catalog/video"
)

func TestMedia(t *testing.T) {
	t.Parallel()
	t.Run("is served in ranges", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		v := r.addRow(video.StatusCataloged)
		whole := r.get("/videos/" + v.ID + "/media")
		require.Equal(t, http.StatusOK, whole.StatusCode)
		require.Equal(t, "0123456789", whole.text)
		require.Equal(t, "video/mp4", whole.Header.Get("Content-Type"))
		require.Equal(t, "nosniff", whole.Header.Get("X-Content-Type-Options"))
		part := r.get("/videos/"+v.ID+"/media", "Range", "bytes=2-4")
		require.Equal(t, http.StatusPartialContent, part.StatusCode)
		require.Equal(t, "234", part.text)
		require.Equal(t, "bytes 2-4/10", part.Header.Get("Content-Range"))
		require.Equal(t, http.StatusRequestedRangeNotSatisfiable, r.get("/videos/"+v.ID+"/media", "Range", "bytes=20-").StatusCode)
		require.Equal(t, `"`+v.File+`"`, whole.Header.Get("ETag"))
		again := r.get("/videos/"+v.ID+"/media", "If-None-Match", whole.Header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.StatusCode)
	})
	t.Run("may be read as slowly as it plays", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.impatient()
		v := r.addRow(video.StatusCataloged)
		r.view.rows[0].File = "large.mp4"
		const size = 32 << 20 // more than the connection holds
		_, err := r.disk.Save(t.Context(), "large.mp4", io.LimitReader(zeros{}, size), size)
		require.NoError(t, err)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.server.URL+"/videos/"+v.ID+"/media", nil)
		require.NoError(t, err)
		got, err := r.server.Client().Do(request)
		require.NoError(t, err)
		defer got.Body.Close()       //nolint:errcheck // it was read
		<-time.After(2 * impatience) // which is what is tested
		n, err := io.Copy(io.Discard, got.Body)
		require.NoError(t, err)
		require.EqualValues(t, size, n)
	})
	t.Run("is not there before it was transcoded, or on another machine", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		require.Equal(t, http.StatusNotFound, r.get("/videos/"+r.addRow(video.StatusStarted).ID+"/media").StatusCode)
		v := r.addRow(video.StatusTranscoded)
		require.Equal(t, http.StatusOK, r.get("/videos/"+v.ID+"/media").StatusCode)
		r.view.rows[0].File = "elsewhere.mp4"
		require.Equal(t, http.StatusNotFound, r.get("/videos/"+v.ID+"/media").StatusCode)
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// viewed sends the form that a page sends when it is played.
func (r *rig) viewed(id, event string) response {
	r.Helper()
	form := strings.NewReader(url.Values{"view": {event}}.Encode())
	return r.do(http.MethodPost, "/videos/"+id+"/views", form, "Content-Type", "application/x-www-form-urlencoded")
}

func TestView(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, event := r.addRow(video.StatusCataloged), uuid.NewString()
	t.Run("counts once, however often it is sent", func(t *testing.T) {
		require.Equal(t, http.StatusNoContent, r.viewed(v.ID, event).StatusCode)
		require.Equal(t, http.StatusNoContent, r.viewed(v.ID, event).StatusCode)
		require.Equal(t, http.StatusNoContent, r.viewed(v.ID, uuid.NewString()).StatusCode)
		stream, err := r.messages.Read(t.Context(), video.ViewingStream(v.ID))
		require.NoError(t, err)
		require.Len(t, stream, 2)
		require.Equal(t, event, stream[0].ID.String())
		require.Equal(t, video.TypeViewed, stream[0].Type)
		require.JSONEq(t, `{"videoId":"`+v.ID+`"}`, string(stream[0].Data))
		require.Equal(t, video.ViewingStream(v.ID), video.MetadataOf(stream[0]).OriginStreamName)
	})
	t.Run("needs an id, and a video that can be played", func(t *testing.T) {
		for _, event := range []string{"", "x", uuid.Nil.String(), strings.Repeat("x", 2*maxView)} {
			require.Equal(t, "view", r.viewed(v.ID, event).problem(t).Field)
		}
		for _, id := range []string{uuid.NewString(), r.addRow(video.StatusStarted).ID} {
			require.Equal(t, http.StatusNotFound, r.viewed(id, event).problem(t).Status)
		}
	})
	t.Run("is reported again after an outage", func(t *testing.T) {
		r.messages.fail(nil, messages.ErrUnavailable, nil)
		require.Equal(t, http.StatusServiceUnavailable, r.viewed(v.ID, event).problem(t).Status)
	})
}
