package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/catalog/files"
	"example.com/catalog/messages"
	"example.com/catalog/sweep"
	"example.com/catalog/video"
	"example.com/catalog/view"
)

const maxUpload = 1 << 20

// rig is a server of the pages, with files on a disk, and messages and rows in memory.
type rig struct {
	*testing.T
	site     *site
	server   *httptest.Server
	disk     *diskWithFaults
	messages *memoryMessages
	view     *memoryView
	log      *lockedBuffer
	percent  int // of what is transcoded
}

// Transcoded implements Progress.
func (r *rig) Transcoded(context.Context, string) (percent int, known bool) {
	return r.percent, r.percent > 0
}

func newRig(t *testing.T) *rig {
	t.Helper()
	disk, err := files.OpenDisk(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, disk.Close()) })
	r := &rig{
		T: t, disk: &diskWithFaults{Disk: disk}, messages: &memoryMessages{streams: map[string][]video.Message{}},
		view: &memoryView{}, log: &lockedBuffer{},
	}
	r.site = newSite(Options{
		Files: r.disk, Messages: r.messages, View: r.view, Progress: r, MaxUpload: maxUpload,
		Logger: slog.New(slog.NewTextHandler(r.log, nil)),
	})
	r.server = httptest.NewServer(r.site.handler())
	t.Cleanup(r.server.Close)
	t.Cleanup(func() { require.NotContains(t, r.log.String(), secretTitle) })
	return r
}

// secretTitle is in most titles, and never in the log.
const secretTitle = "<b>Tom & Jerry</b>"

// diskWithFaults is a disk whose next Save may fail.
type diskWithFaults struct {
	*files.Disk
	fault error
	began chan struct{} // closed once Save has read a byte
}

func (d *diskWithFaults) Save(ctx context.Context, name string, from io.Reader, limit int64) (video.File, error) {
	if d.fault != nil {
		return video.File{}, d.fault
	}
	if d.began != nil {
		first := make([]byte, 1)
		if _, err := io.ReadFull(from, first); err != nil {
			return video.File{}, err
		}
		close(d.began)
		from = io.MultiReader(bytes.NewReader(first), from)
	}
	return d.Disk.Save(ctx, name, from, limit)
}

// memoryMessages is a message store that recognizes a repeated message by its id.
type memoryMessages struct {
	mu      sync.Mutex
	streams map[string][]video.Message
	reads   error  // of Read
	appends error  // of Append
	lost    error  // of Append, after it was done
	before  func() // called by Append
}

func (m *memoryMessages) Append(_ context.Context, stream string, expected messages.Expected, n video.NewMessage) error {
	if m.before != nil {
		m.before()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.appends != nil {
		return m.appends
	}
	for _, known := range m.streams[stream] {
		if known.ID == n.ID {
			return m.lost
		}
	}
	if expected == messages.NoStream && len(m.streams[stream]) > 0 {
		return messages.ErrWrongRevision
	}
	data, _ := json.Marshal(n.Data)
	metadata, _ := json.Marshal(n.Metadata)
	m.streams[stream] = append(m.streams[stream], video.Message{
		ID: n.ID, Stream: stream, Revision: uint64(len(m.streams[stream])), Type: n.Type,
		Data: data, Metadata: metadata, Time: time.Now(),
	})
	return m.lost
}

func (m *memoryMessages) Read(_ context.Context, stream string) ([]video.Message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.streams[stream], m.reads
}

func (m *memoryMessages) fail(reads, appends, lost error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads, m.appends, m.lost = reads, appends, lost
}

// memoryView holds rows, the newest first.
type memoryView struct {
	rows []view.Video
	next view.Cursor // of every list
	err  error
	seen view.Cursor // by the last List
}

func (v *memoryView) Get(_ context.Context, id string) (view.Video, error) {
	for _, row := range v.rows {
		if row.ID == id {
			return row, v.err
		}
	}
	if v.err != nil {
		return view.Video{}, v.err
	}
	return view.Video{}, view.ErrNotFound
}

func (v *memoryView) List(_ context.Context, after view.Cursor, limit int) ([]view.Video, view.Cursor, error) {
	v.seen = after
	return v.rows[:min(limit, len(v.rows))], v.next, v.err
}

// lockedBuffer is a buffer for the log.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// response is a response that was read whole.
type response struct {
	*http.Response
	text string
}

// problem returns the problem of a response in JSON.
func (r response) problem(t *testing.T) (p problem) {
	t.Helper()
	require.Equal(t, problemType, r.Header.Get("Content-Type"), r.text)
	require.NoError(t, json.Unmarshal([]byte(r.text), &p))
	require.Equal(t, r.StatusCode, p.Status)
	return p
}

// do sends a request with headers, given as names and values. It follows no redirect.
func (r *rig) do(method, path string, body io.Reader, headers ...string) response {
	r.Helper()
	request, err := http.NewRequestWithContext(r.Context(), method, r.server.URL+path, body)
	require.NoError(r, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	got, err := r.server.Client().Transport.RoundTrip(request)
	require.NoError(r, err)
	defer got.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(got.Body)
	require.NoError(r, err)
	return response{got, string(text)}
}

func (r *rig) get(path string, headers ...string) response {
	r.Helper()
	return r.do(http.MethodGet, path, nil, headers...)
}

// addRow adds a row of a video whose transcoded file is in the folder.
func (r *rig) addRow(status video.Status) view.Video {
	r.Helper()
	v := view.Video{
		ID: uuid.NewString(), Title: secretTitle, Status: status, DurationMS: 61_400, Width: 640, Height: 360, Views: 3,
		UploadedAt: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), TraceID: strings.Repeat("ab", 16),
	}
	if (video.Video{Status: status}).Reached(video.StatusTranscoded) && status != video.StatusFailed {
		v.File = v.ID + ".mp4"
		_, err := r.disk.Disk.Save(r.Context(), v.File, strings.NewReader("0123456789"), maxUpload)
		require.NoError(r, err)
	}
	r.view.rows = append([]view.Video{v}, r.view.rows...)
	return v
}

// kept reports whether the file of an upload is in the folder.
func (r *rig) kept(id string) bool {
	r.Helper()
	_, _, err := r.disk.Local(r.Context(), video.UploadName(id))
	return err == nil
}

// age makes the files of uploads so old that the sweep looks at them.
func (r *rig) age(ids ...string) {
	r.Helper()
	old := time.Now().Add(-sweep.Age - time.Minute)
	for _, id := range ids {
		path, _, err := r.disk.Local(r.Context(), video.UploadName(id))
		require.NoError(r, err)
		require.NoError(r, os.Chtimes(path, old, old))
	}
}
