package web

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/catalog/files"
	"example.com/catalog/messages"
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
			r.site.uploads <- struct{}{}
		}
		got := r.upload(newUpload(), acceptJSON...)
		require.Equal(t, http.StatusServiceUnavailable, got.problem(t).Status)
		require.Equal(t, retrySeconds, got.Header.Get("Retry-After"))
	})
}
