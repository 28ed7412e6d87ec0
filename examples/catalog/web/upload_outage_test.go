package web

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/catalog/files"
	"example.com/catalog/messages"
	"example.com/catalog/sweep"
	"example.com/catalog/video"
)

func TestUpload_Outage(t *testing.T) {
	t.Parallel()
	down := fmt.Errorf("append: %w", messages.ErrUnavailable)
	t.Run("is reported before the file is kept", func(t *testing.T) {
		t.Parallel()
		r, u := newRig(t), newUpload()
		r.messages.fail(down, down, nil)
		got := r.upload(u)
		require.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		require.Equal(t, retrySeconds, got.Header.Get("Retry-After"))
		require.Contains(t, got.text, `name="id" value="`+u.id+`"`)
		require.Contains(t, got.text, `value="&lt;b&gt;Tom &amp; Jerry&lt;/b&gt;"`)
		require.NotContains(t, got.text, `http-equiv="refresh"`, "the page has a form")
		require.False(t, r.kept(u.id))
	})
	t.Run("between file and command leaves what the repetition uses", func(t *testing.T) {
		t.Parallel()
		r, u := newRig(t), newUpload()
		r.messages.fail(nil, down, nil)
		p := r.upload(u, acceptJSON...).problem(t)
		require.Equal(t, http.StatusServiceUnavailable, p.Status)
		require.True(t, r.kept(u.id))
		r.messages.fail(nil, nil, nil)
		other := u
		other.content += "."
		require.Equal(t, http.StatusConflict, r.upload(other, acceptJSON...).problem(t).Status)
		require.Equal(t, http.StatusSeeOther, r.upload(u).StatusCode)
		r.command(u.id)
	})
	t.Run("leaves a file that no sweep takes from the repetition", func(t *testing.T) {
		t.Parallel()
		r, known, u := newRig(t), newUpload(), newUpload()
		sweeper := r.orphan(known, u, down)
		r.messages.before = func() { assert.NoError(t, sweeper.Sweep(t.Context(), time.Now())) }
		require.Equal(t, http.StatusSeeOther, r.upload(u).StatusCode, "the sweep comes between file and command")
		require.True(t, r.kept(u.id))
		_, command := r.command(u.id)
		require.Equal(t, video.UploadName(u.id), command.Upload.Name)
	})
	t.Run("leaves a file that is uploaded again after a sweep", func(t *testing.T) {
		t.Parallel()
		r, known, u := newRig(t), newUpload(), newUpload()
		sweeper := r.orphan(known, u, down)
		require.NoError(t, sweeper.Sweep(t.Context(), time.Now()))
		require.Equal(t, []bool{true, false}, []bool{r.kept(known.id), r.kept(u.id)})
		require.Equal(t, http.StatusSeeOther, r.upload(u).StatusCode)
		require.True(t, r.kept(u.id))
	})
	t.Run("that loses the response is settled by the repetition", func(t *testing.T) {
		t.Parallel()
		r, u := newRig(t), newUpload()
		r.messages.fail(nil, nil, down)
		require.Equal(t, http.StatusServiceUnavailable, r.upload(u).StatusCode)
		require.Equal(t, http.StatusSeeOther, r.upload(u).StatusCode, "it only reads")
		r.command(u.id)
	})
	t.Run("of the disk", func(t *testing.T) {
		t.Parallel()
		for fault, status := range map[error]int{
			fmt.Errorf("file: %w", files.ErrFull): http.StatusInsufficientStorage,
			errors.New("input/output error"):      http.StatusInternalServerError,
		} {
			r, u := newRig(t), newUpload()
			r.disk.fault = fault
			got := r.upload(u, acceptJSON...)
			require.Equal(t, status, got.problem(t).Status)
			require.NotContains(t, got.text, "input/output")
			require.Empty(t, r.messages.streams)
			require.Contains(t, r.log.String(), fault.Error())
		}
	})
	t.Run("is what too many uploads look like", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		for range maxUploads {
			require.True(t, r.site.uploads.take(&body{began: time.Now()}, time.Now()))
		}
		got := r.upload(newUpload(), acceptJSON...)
		require.Equal(t, http.StatusServiceUnavailable, got.problem(t).Status)
		require.Equal(t, retrySeconds, got.Header.Get("Retry-After"))
	})
}

// orphan uploads two files, of which the second has no command, for the event store is down
// then. Both are as old as those that the sweeper may remove.
func (r *rig) orphan(known, orphaned upload, down error) *sweep.Sweeper {
	r.Helper()
	require.Equal(r, http.StatusSeeOther, r.upload(known).StatusCode)
	r.messages.fail(nil, down, nil)
	require.Equal(r, http.StatusServiceUnavailable, r.upload(orphaned).StatusCode)
	r.messages.fail(nil, nil, nil)
	r.age(known.id, orphaned.id)
	return &sweep.Sweeper{Files: r.disk, Messages: r.messages, Logger: r.site.Logger}
}
