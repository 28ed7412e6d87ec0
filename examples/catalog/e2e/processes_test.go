package e2e

import (
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/catalog/check"
	"example.com/catalog/process"
	"example.com/catalog/sample"
	"example.com/catalog/video"
)

// TestCatalog_Processes runs two catalogs, each with a folder of its own, on the same
// servers.
func TestCatalog_Processes(t *testing.T) {
	t.Parallel()
	first := newRig(t)
	second := first.another()
	silent := first.make("")
	both := []*rig{first, second}
	for _, r := range both {
		r.awaitReady()
	}
	uploads := make([]check.Upload, 4)
	t.Run("process each video where its file is, once", func(t *testing.T) {
		var group sync.WaitGroup
		for i := range uploads {
			r, u := both[i%2], &uploads[i]
			*u = check.Upload{ID: video.NewID(), Accepted: true, WantStatus: "cataloged"}
			group.Go(func() { assert.NoError(t, sample.UploadAs(t.Context(), r.url, u.ID, "A video", silent)) })
		}
		group.Wait()
		for i, u := range uploads {
			r := both[i%2].in(t)
			require.Equal(t, video.StatusCataloged, r.awaitEnd(u.ID).Status)
			require.Equal(t, cataloged, r.types(u.ID))
			require.Equal(t, []string{r.mediaQueue()}, slices.Compact(r.mediaQueues(u.ID)))
			require.Equal(t, http.StatusOK, r.getMedia(u.ID))
			require.Equal(t, http.StatusNotFound, both[(i+1)%2].in(t).getMedia(u.ID), "the file is on the other machine")
		}
	})
	t.Run("take the same form once", func(t *testing.T) {
		id := video.NewID()
		var group sync.WaitGroup
		for _, r := range both {
			group.Go(func() { assert.NoError(t, sample.UploadAs(t.Context(), r.url, id, "A video", silent)) })
		}
		group.Wait()
		require.Equal(t, video.StatusCataloged, first.in(t).awaitEnd(id).Status)
		require.Equal(t, cataloged, first.in(t).types(id))
		uploads = append(uploads, check.Upload{ID: id, Accepted: true, WantStatus: "cataloged"})
	})
	t.Run("wait for each other's files", func(t *testing.T) {
		r := second.in(t)
		id := r.upload(r.long())
		r.awaitTemporary("*" + id + ".mp4")
		second.kill()
		other := first.in(t).upload(silent)
		require.Equal(t, video.StatusCataloged, first.in(t).awaitEnd(other).Status, "the first does its own work")
		require.Equal(t, []string{video.TypeStarted}, r.types(id))
		second.start()
		require.Equal(t, video.StatusCataloged, first.in(t).awaitEnd(id).Status, "both show it")
		require.Equal(t, cataloged, r.types(id))
		uploads = append(uploads,
			check.Upload{ID: id, Accepted: true, WantStatus: "cataloged"},
			check.Upload{ID: other, Accepted: true, WantStatus: "cataloged"})
	})
	first.awaitSettled(uploads, patience)
	facts := first.facts(uploads)
	maps.Copy(facts.Files, second.readFiles())
	require.Empty(t, check.Judge(facts))
}

// another starts a second catalog on the servers of the first, with a folder of its own.
func (r *rig) another() *rig {
	r.Helper()
	second := *r
	second.folder, second.log = filepath.Join(r.TempDir(), "files"), filepath.Join(r.TempDir(), "log")
	second.listen()
	second.start()
	r.Cleanup(second.kill)
	return &second
}

// mediaQueue returns the task queue of the steps with files of the catalog's folder.
func (r *rig) mediaQueue() string {
	r.Helper()
	id, err := os.ReadFile(filepath.Join(r.folder, "id"))
	require.NoError(r, err)
	return process.MediaQueue(strings.TrimSpace(string(id)))
}

func (r *rig) page(id string) string {
	r.Helper()
	_, text := r.get("/videos/" + id)
	return text
}

func (r *rig) getMedia(id string) (status int) {
	r.Helper()
	status, _ = r.get("/videos/" + id + "/media")
	return status
}

func (r *rig) get(path string) (status int, text string) {
	r.Helper()
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, r.url+path, http.NoBody)
	require.NoError(r, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(r, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(r, err)
	return response.StatusCode, string(content)
}
