package e2e

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"orderflow/dev/browsertest"

	"example.com/catalog/check"
	"example.com/catalog/sample"
	"example.com/catalog/video"
)

const spoken = "there was a house on the hill and a man in the garden"

var cataloged = []string{video.TypeStarted, video.TypeTranscoded, video.TypeTranscribed, video.TypeCataloged}

func TestCatalog(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	talk := r.make(spoken)

	t.Run("shows an uploaded video with its transcript", func(t *testing.T) {
		r := r.in(t)
		browser := browsertest.Start(t, patience)
		r.awaitReady()
		require.NoError(t, chromedp.Do(browser,
			chromedp.Navigate(r.url),
			chromedp.SetValue(chromedp.CSS("input[name=title]"), "A walk on the hill"),
			chromedp.SetUploadFiles(chromedp.CSS("input[name=file]"), []string{talk}),
			chromedp.Click(chromedp.CSS("form button")),
			chromedp.WaitReady(chromedp.CSS("video")), // the waiting page has become the video's
		))
		seconds := see(browser, t, chromedp.Poll[float64](`document.querySelector("video").duration`, chromedp.WithPollingTimeout(patience)))
		require.InDelta(t, 4, seconds, 3)
		transcript := see(browser, t, chromedp.Text(chromedp.CSS("p.transcript")))
		t.Logf("%.0f %% of the words are wrong: %q", 100*check.WordErrors(spoken, transcript), transcript)
		require.LessOrEqual(t, check.WordErrors(spoken, transcript), check.MaxWordErrors)
	})
	t.Run("takes repeated commands once", func(t *testing.T) {
		r := r.in(t)
		id := r.upload(talk)
		require.NoError(t, r.repeatCommand(id, 3))
		require.NoError(t, sample.UploadAs(t.Context(), r.url, id, "A video", talk), "the form was sent again")
		require.Equal(t, video.StatusCataloged, r.awaitEnd(id).Status)
		require.NoError(t, r.repeatCommand(id, 1)) // after the workflow's end
		require.NotEqual(t, id, r.upload(talk))
		require.Equal(t, cataloged, r.types(id))
		r.record("cataloged", id)
	})
	t.Run("fails a video that ends early, with the reason", func(t *testing.T) {
		r := r.in(t)
		id := r.upload(r.broken(talk))
		v := r.awaitEnd(id)
		require.Equal(t, []any{video.StatusFailed, video.ReasonBroken}, []any{v.Status, v.Reason}, v.Detail)
		r.record("failed", id)
	})
	t.Run("catalogs a video without sound", func(t *testing.T) {
		r := r.in(t)
		v := r.awaitEnd(r.upload(r.make("")))
		require.Equal(t, []any{video.StatusCataloged, ""}, []any{v.Status, v.Transcript})
	})
	t.Run("refuses what is no video", func(t *testing.T) {
		r := r.in(t)
		for name, c := range map[string]struct {
			content string
			want    int
		}{
			"empty.mp4": {"", http.StatusBadRequest}, "text.mp4": {strings.Repeat("no video ", 100), http.StatusUnsupportedMediaType},
		} {
			file := filepath.Join(t.TempDir(), name)
			require.NoError(t, os.WriteFile(file, []byte(c.content), 0o600))
			_, err := sample.Upload(t.Context(), r.url, "A video", file)
			var refused *sample.StatusError
			require.ErrorAs(t, err, &refused, name)
			require.Equal(t, c.want, refused.Code, refused.Body)
		}
	})
	t.Run("ends a canceled video as failed", func(t *testing.T) {
		r := r.in(t)
		id := r.upload(r.long())
		r.awaitEvent(id, video.TypeStarted)
		r.awaitTemporary("*" + id + ".mp4")
		require.NoError(t, r.temporal.CancelWorkflow(t.Context(), video.Stream(id), ""))
		err := r.temporal.GetWorkflow(t.Context(), video.Stream(id), "").Get(t.Context(), nil)
		require.True(t, temporal.IsCanceledError(err), "%v", err)
		require.Equal(t, video.ReasonCanceled, r.awaitEnd(id).Reason)
		require.Empty(t, r.leftovers(), "ffmpeg's output is removed")
		r.record("canceled", id)
	})
	r.process.Signal(syscall.SIGTERM)
	require.NoError(t, r.process.Err(), "SIGTERM drains, and ends with 0")
}

// see runs an action of the browser.
func see[T any](ctx context.Context, t *testing.T, what chromedp.Action[T]) T {
	t.Helper()
	seen, err := chromedp.Run(ctx, what)
	require.NoError(t, err)
	return seen
}

// A program that vanishes while the catalog runs is an operator's fault: the video waits.
func TestCatalog_ProgramsAreMissing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	talk := r.make(spoken)
	r.kill()
	r.start("PATH=" + t.TempDir())
	require.Error(t, r.process.Err())
	log, err := os.ReadFile(r.log)
	require.NoError(t, err)
	for _, program := range []string{"ffmpeg", "ffprobe", "pocketsphinx_continuous"} {
		require.Contains(t, string(log), program, "all that is missing is named at once")
	}

	programs := r.linkPrograms("ffmpeg", "ffprobe", "pocketsphinx_continuous")
	r.start("PATH=" + programs)
	r.awaitReady()
	hidden := filepath.Join(programs, "hidden")
	require.NoError(t, os.Rename(filepath.Join(programs, "ffmpeg"), hidden))
	id := r.upload(talk)
	r.awaitRetries(id, 2)
	require.Equal(t, []string{video.TypeStarted}, r.types(id), "the video has not failed")
	require.NoError(t, os.Rename(hidden, filepath.Join(programs, "ffmpeg")))
	require.Equal(t, video.StatusCataloged, r.awaitEnd(id).Status)
}

func TestCatalog_CrashAtEachStep(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	talk, long := r.make(spoken), r.long()
	var uploads []check.Upload
	crash := func(name, file, says string, await func(id string)) {
		t.Run(name, func(t *testing.T) {
			id := r.upload(file)
			await(id)
			r.restart()
			require.Equal(t, video.StatusCataloged, r.awaitEnd(id).Status)
			require.Equal(t, cataloged, r.types(id))
			uploads = append(uploads, check.Upload{ID: id, Accepted: true, WantStatus: "cataloged", Spoken: says})
		})
	}
	crash("once uploaded", talk, spoken, func(string) {})
	crash("once started", talk, spoken, func(id string) { r.awaitEvent(id, video.TypeStarted) })
	crash("while it is transcoded", long, "", func(id string) { r.awaitTemporary("*" + id + ".mp4") })
	require.NotEmpty(t, uploads)
	lost := uploads[len(uploads)-1].ID
	require.Equal(t, []enums.TimeoutType{enums.TIMEOUT_TYPE_HEARTBEAT}, r.timeouts(lost), "the workflow counts it")
	r.record("lost", lost)
	crash("once transcoded", talk, spoken, func(id string) { r.awaitEvent(id, video.TypeTranscoded) })
	crash("while it is transcribed", talk, spoken, func(id string) { r.awaitTemporary("*" + id + ".wav") })
	crash("once transcribed", talk, spoken, func(id string) { r.awaitEvent(id, video.TypeTranscribed) })
	crash("once cataloged", talk, spoken, func(id string) { r.awaitEvent(id, video.TypeCataloged) })
	r.awaitSettled(uploads, patience)
	require.Empty(t, check.Judge(r.facts(uploads)))
}

// repeatCommand appends the command of a video again, as an event of its own each time.
func (r *rig) repeatCommand(id string, times int) error {
	stream, err := r.events.ReadStream(r.Context(), video.CommandStream(id), kurrentdb.ReadStreamOptions{From: kurrentdb.Start{}}, 1)
	if err != nil {
		return err
	}
	defer stream.Close()
	first, err := stream.Recv()
	for range times {
		if err != nil {
			return err
		}
		_, err = r.events.AppendToStream(r.Context(), video.CommandStream(id), kurrentdb.AppendToStreamOptions{}, kurrentdb.EventData{
			EventID: uuid.New(), EventType: video.TypeCatalog, ContentType: kurrentdb.ContentTypeJson,
			Data: first.OriginalEvent().Data, Metadata: first.OriginalEvent().UserMetadata,
		})
	}
	return err
}

// broken cuts a file in its middle. The index of a sample is at its end, so it is lost too.
func (r *rig) broken(file string) string {
	r.Helper()
	content, err := os.ReadFile(file)
	require.NoError(r, err)
	cut := filepath.Join(r.TempDir(), "broken.mp4")
	require.NoError(r, os.WriteFile(cut, content[:len(content)/2], 0o600))
	return cut
}

// long makes a silent video that takes seconds to transcode.
func (r *rig) long() string {
	r.Helper()
	file := filepath.Join(r.TempDir(), "long.mp4")
	require.NoError(r, sample.MakeSilent(r.Context(), file, 40*time.Second, "1280x720"))
	return file
}

func (r *rig) leftovers() []string {
	r.Helper()
	found, err := filepath.Glob(filepath.Join(r.folder, "tmp", "*"))
	require.NoError(r, err)
	return found
}

// linkPrograms returns a folder with links to programs and nothing else.
func (r *rig) linkPrograms(names ...string) string {
	r.Helper()
	folder := r.TempDir()
	for _, name := range names {
		path, err := exec.LookPath(name)
		require.NoError(r, err)
		require.NoError(r, os.Symlink(path, filepath.Join(folder, name)))
	}
	return folder
}

// awaitRetries waits until an activity of a video has been attempted this often.
func (r *rig) awaitRetries(id string, attempts int32) {
	r.Helper()
	require.Eventually(r, func() bool {
		d, err := r.temporal.DescribeWorkflow(r.Context(), video.Stream(id), "")
		if err != nil {
			return false
		}
		pending := d.RawResponse.GetPendingActivities()
		return len(pending) == 1 && pending[0].GetAttempt() >= attempts
	}, patience, tick)
}

// awaitSettled waits until every upload has ended and nothing is in progress.
func (r *rig) awaitSettled(uploads []check.Upload, within time.Duration) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), within)
	defer cancel()
	for _, u := range uploads {
		if !u.Accepted && len(r.types(u.ID)) == 0 {
			continue
		}
		_, err := sample.Await(ctx, r.url, u.ID)
		require.NoError(r, err, u.ID)
	}
	require.Eventually(r, func() bool { return len(r.openWorkflows()) == 0 && len(r.leftovers()) == 0 }, patience, tick)
	require.Eventually(r, func() bool {
		rows := r.readRows()
		return !slices.ContainsFunc(uploads, func(u check.Upload) bool { return rows[u.ID].Views < u.Views })
	}, patience, tick)
}
