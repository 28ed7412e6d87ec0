package web

import (
	"encoding/json"
	"errors"
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

const escapedTitle = "&lt;b&gt;Tom &amp; Jerry&lt;/b&gt;"

func TestList(t *testing.T) {
	t.Parallel()
	t.Run("has a form with a new id, its fields before the file", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		page := r.get("/").text
		require.Contains(t, page, "No videos yet.")
		require.Contains(t, page, "at most 1 MiB")
		require.Less(t, strings.Index(page, `name="id"`), strings.Index(page, `name="title"`))
		require.Less(t, strings.Index(page, `name="title"`), strings.Index(page, `name="file"`))
		require.NotEqual(t, page, r.get("/").text)
	})
	t.Run("shows videos in the order of the view", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		older, newer := r.addRow(video.StatusCataloged), r.addRow(video.StatusFailed)
		page := r.get("/").text
		require.Less(t, strings.Index(page, newer.ID), strings.Index(page, older.ID))
		require.Contains(t, page, escapedTitle)
		require.Contains(t, page, "3 views · 1:01 · <time datetime=\"2026-11-30T12:00:00Z\">2026-11-30 12:00</time>")
		require.NotContains(t, page, "Older videos")
	})
	t.Run("has a link to older videos", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.addRow(video.StatusCataloged)
		r.view.next = 4711
		require.Contains(t, r.get("/").text, `<a href="/?after=4711">Older videos</a>`)
		require.Zero(t, r.view.seen)
		page := r.get("/?after=4711")
		require.Equal(t, http.StatusOK, page.StatusCode)
		require.Equal(t, r.view.next, r.view.seen)
		require.Contains(t, page.text, "Newest videos")
		require.Equal(t, http.StatusBadRequest, r.get("/?after="+url.QueryEscape("x'y")).StatusCode)
	})
	t.Run("that is unavailable leaves the form", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.view.err = errors.New("connection refused")
		got := r.get("/")
		require.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		require.Contains(t, got.text, "The list is unavailable.")
		require.Contains(t, got.text, `name="file"`)
		require.Contains(t, r.log.String(), "connection refused")
	})
}

func TestVideo(t *testing.T) {
	t.Parallel()
	t.Run("is waited for from its command on", func(t *testing.T) {
		t.Parallel()
		r, u := newRig(t), newUpload()
		require.Equal(t, http.StatusNotFound, r.get("/videos/"+u.id).StatusCode)
		r.upload(u)
		page := r.get("/videos/" + u.id)
		require.Equal(t, http.StatusOK, page.StatusCode)
		require.Contains(t, page.text, `<meta http-equiv="refresh" content="2">`)
		require.Contains(t, page.text, escapedTitle)
		require.Contains(t, page.text, `aria-current="step">Begin the work`)
	})
	t.Run("shows the step that it is at", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		for status, step := range map[video.Status]string{
			video.StatusStarted: "Convert the video", video.StatusTranscoded: "Write down what is said",
			video.StatusTranscribed: "Add it to the catalog",
		} {
			page := r.get("/videos/" + r.addRow(status).ID).text
			require.Equal(t, 1, strings.Count(page, "aria-current"))
			require.Contains(t, page, `aria-current="step">`+step)
			require.NotContains(t, page, "<video")
		}
	})
	t.Run("that is transcoded says how far that is, if it is known", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.percent = 42
		for status, want := range map[video.Status]int{
			video.StatusReceived: 0, video.StatusStarted: 1, video.StatusTranscoded: 0, video.StatusCataloged: 0,
		} {
			page := r.get("/videos/" + r.addRow(status).ID).text
			require.Equal(t, want, strings.Count(page, "in progress, 42 %"), status)
		}
		r.percent = 0
		require.NotContains(t, r.get("/videos/"+r.addRow(video.StatusStarted).ID).text, "%")
	})
	t.Run("that failed says why, in words", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.addRow(video.StatusFailed)
		for _, reason := range []video.Reason{
			video.ReasonNotVideo, video.ReasonBroken, video.ReasonTooLong, video.ReasonMissing, video.ReasonCrashed, video.ReasonElapsed,
			video.ReasonCanceled, "new",
		} {
			v := &r.view.rows[0]
			v.Reason, v.Detail = reason, "moov <atom> not found"
			page := r.get("/videos/" + v.ID).text
			require.Contains(t, page, showReason(reason))
			require.Contains(t, page, "moov &lt;atom&gt; not found")
			require.Contains(t, page, "trace <code>"+v.TraceID+"</code>.")
			require.NotContains(t, page, "refresh")
		}
	})
	t.Run("is shown with its transcript", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		v := r.addRow(video.StatusCataloged)
		require.Contains(t, r.get("/videos/"+v.ID).text, "No speech was recognized.")
		r.view.rows[0].Transcript = "good <i>morning</i>\neverybody"
		page := r.get("/videos/" + v.ID).text
		require.Contains(t, page, "good &lt;i&gt;morning&lt;/i&gt;\neverybody")
		require.Contains(t, page, `<video controls preload="metadata" width="640" height="360" src="/videos/`+v.ID+`/media"`)
		require.Contains(t, page, "2026-11-30 12:00</time>, trace <code>"+v.TraceID+"</code>.")
		require.NotContains(t, page, "refresh")
		require.NotEqual(t, page, r.get("/videos/"+v.ID).text, "each page counts as a view of its own")
	})
	t.Run("is a resource for programs", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		v := r.addRow(video.StatusCataloged)
		var got resource
		require.NoError(t, json.Unmarshal([]byte(r.get("/videos/"+v.ID, acceptJSON...).text), &got))
		require.Equal(t, resourceOf(v), got)
		require.Equal(t, "/videos/"+v.ID+"/media", got.Media)
		require.Equal(t, http.StatusNotFound, r.get("/videos/"+uuid.NewString(), acceptJSON...).problem(t).Status)
	})
	t.Run("is asked for again after an outage", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		v := r.addRow(video.StatusStarted)
		r.view.err = errors.New("connection refused")
		require.Contains(t, r.get("/videos/"+v.ID).text, `<meta http-equiv="refresh" content="5">`)
		r.view.err = nil
		r.messages.fail(messages.ErrUnavailable, nil, nil)
		require.Equal(t, http.StatusServiceUnavailable, r.get("/videos/"+uuid.NewString()).StatusCode)
		require.Equal(t, http.StatusOK, r.get("/videos/"+v.ID).StatusCode)
	})
}

func TestShow(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]string{0: "0:00", 59_499: "0:59", 61_000: "1:01", 3_723_000: "1:02:03"} {
		require.Equal(t, want, showLength(ms))
	}
	for n, want := range map[int64]string{1: "1 byte", 1023: "1023 bytes", 1024: "1 KiB", 209715200: "200 MiB", 3 << 29: "1.5 GiB"} {
		require.Equal(t, want, showBytes(n))
	}
	require.Equal(t, "2026-11-30 12:00", showTime(time.Date(2026, 11, 30, 13, 0, 0, 0, time.FixedZone("", 3600))))
}
