package sweep

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/catalog/files"
	"example.com/catalog/messages"
	"example.com/catalog/video"
)

// streams are messages in memory.
type streams struct {
	mu       sync.Mutex
	messages map[string][]video.Message
	fail     error
	read     func(stream string) // called after a Read has its result
}

func (s *streams) Read(_ context.Context, stream string) ([]video.Message, error) {
	s.mu.Lock()
	found, read := slices.Clone(s.messages[stream]), s.read
	s.mu.Unlock()
	if read != nil {
		read(stream)
	}
	return found, s.fail
}

func (s *streams) put(stream string, types ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, messageType := range types {
		s.messages[stream] = append(s.messages[stream], video.Message{
			ID: uuid.New(), Stream: stream, Revision: uint64(len(s.messages[stream])), Type: messageType,
			Data: []byte(`{"file":{"name":"` + video.TranscodedName(strings.TrimPrefix(stream, video.Category+"-")) + `"}}`),
		})
	}
}

type rig struct {
	*testing.T
	disk    *files.Disk
	folder  string
	streams *streams
	log     *bytes.Buffer
	sweeper *Sweeper
	known   string // name of a file that a command names
}

// newRig returns a sweeper of a folder with an old file that the event store knows.
func newRig(t *testing.T) *rig {
	t.Helper()
	folder := t.TempDir()
	disk, err := files.OpenDisk(folder)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, disk.Close()) })
	r := &rig{
		T: t, disk: disk, folder: filepath.Join(folder, "kept"),
		streams: &streams{messages: map[string][]video.Message{}}, log: &bytes.Buffer{},
	}
	r.sweeper = &Sweeper{Files: disk, Messages: r.streams, Logger: slog.New(slog.NewTextHandler(r.log, nil))}
	id := video.NewID()
	r.known = r.save(video.UploadName(id))
	r.streams.put(video.CommandStream(id), video.TypeCatalog)
	r.age(r.known)
	return r
}

// save stores a file, as an upload does, or finds it.
func (r *rig) save(name string) string {
	r.Helper()
	_, err := r.disk.Save(r.Context(), name, strings.NewReader("content"), 100)
	if !errors.Is(err, files.ErrExists) {
		require.NoError(r, err)
	}
	return name
}

// age makes a file old enough for the sweep.
func (r *rig) age(name string) {
	r.Helper()
	old := time.Now().Add(-Age - time.Minute)
	require.NoError(r, os.Chtimes(filepath.Join(r.folder, name), old, old))
}

func (r *rig) sweep() {
	r.Helper()
	require.NoError(r, r.sweeper.Sweep(r.Context(), time.Now()))
}

func (r *rig) requireKept(name string) {
	r.Helper()
	require.FileExists(r, filepath.Join(r.folder, name))
}

func (r *rig) requireRemoved(name string) {
	r.Helper()
	require.NoFileExists(r, filepath.Join(r.folder, name))
}

func TestSweep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file             func(id string) string
		commands, events []string
		young            bool
		removed          bool
	}{
		"an upload without a command":          {file: video.UploadName, removed: true},
		"a young upload without a command":     {file: video.UploadName, young: true},
		"an upload with a command":             {file: video.UploadName, commands: []string{video.TypeCatalog}},
		"an upload with an unknown message":    {file: video.UploadName, commands: []string{"Praised"}},
		"an upload with events alone":          {file: video.UploadName, events: []string{video.TypeStarted, video.TypeFailed}},
		"a file that is being transcoded":      {file: video.TranscodedName, events: []string{video.TypeStarted}},
		"a file that was transcoded":           {file: video.TranscodedName, events: []string{video.TypeStarted, video.TypeTranscoded}},
		"a file that can be played":            {file: video.TranscodedName, events: []string{video.TypeStarted, video.TypeTranscoded, video.TypeTranscribed, video.TypeCataloged}},
		"a file of a failed video, named":      {file: video.TranscodedName, events: []string{video.TypeStarted, video.TypeTranscoded, video.TypeFailed}},
		"a file of a failed video, not named":  {file: video.TranscodedName, events: []string{video.TypeStarted, video.TypeFailed}, removed: true},
		"a young file of a failed video":       {file: video.TranscodedName, events: []string{video.TypeStarted, video.TypeFailed}, young: true},
		"a transcoded file without any events": {file: video.TranscodedName, commands: []string{video.TypeCatalog}},
		"a file of an operator":                {file: func(string) string { return "notes.upload" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, id := newRig(t), video.NewID()
			file := r.save(c.file(id))
			if !c.young {
				r.age(file)
			}
			r.streams.put(video.CommandStream(id), c.commands...)
			r.streams.put(video.Stream(id), c.events...)
			r.sweep()
			r.requireKept(r.known)
			if !c.removed {
				r.requireKept(file)
				return
			}
			r.requireRemoved(file)
			require.EqualValues(t, 1, r.sweeper.removed.Load())
			require.Contains(t, r.log.String(), file)
			r.save(file) // the same form may be sent again
			r.requireKept(file)
		})
	}
}

// A form that is sent to two machines leaves its file on both, and the command names one.
func TestSweep_TwoFolders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for location, kept := range map[string]bool{r.disk.Location(): true, uuid.NewString(): false, "": true} {
		id := video.NewID()
		file := r.save(video.UploadName(id))
		r.age(file)
		command := video.Command{VideoID: id, Title: "A video", Upload: video.File{
			Name: file, Location: location, Bytes: 7, SHA256: strings.Repeat("0", 64),
		}}
		data, err := json.Marshal(command)
		require.NoError(t, err)
		stream := video.CommandStream(id)
		r.streams.messages[stream] = []video.Message{{Stream: stream, Type: video.TypeCatalog, Data: data}}
		r.sweep()
		if kept {
			r.requireKept(file)
		} else {
			r.requireRemoved(file)
		}
	}
}

func TestSweep_StoreIsAnother(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	clear(r.streams.messages)
	r.sweep()
	r.requireKept(r.known)
	require.Contains(t, r.log.String(), "the event store knows none of them")
}

func TestSweep_Outage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	file := r.save(video.UploadName(video.NewID()))
	r.age(file)
	for err, want := range map[error]error{
		messages.ErrUnavailable: messages.ErrUnavailable,
		messages.ErrDeleted:     nil,
		messages.ErrTooLarge:    nil,
	} {
		r.streams.fail = err
		require.ErrorIs(t, r.sweeper.Sweep(t.Context(), time.Now()), want)
		r.requireKept(file)
	}
	r.streams.fail = nil
	r.sweep()
	r.requireRemoved(file)
}

// A form that is sent again finds the file of the first time, and its command is appended
// after the sweep has looked for one.
func TestSweep_FormIsSentAgain(t *testing.T) {
	t.Parallel()
	r, id := newRig(t), video.NewID()
	file := r.save(video.UploadName(id))
	r.age(file)
	r.streams.read = func(stream string) {
		if stream == video.Stream(id) { // the last one that the sweep reads
			r.save(file)
			r.streams.put(video.CommandStream(id), video.TypeCatalog)
		}
	}
	r.sweep()
	r.requireKept(file)
	r.sweep()
	r.requireKept(file)
}

// A later attempt of a step finds the file of an earlier one, and its event follows.
func TestSweep_StepKeepsAgain(t *testing.T) {
	t.Parallel()
	r, id := newRig(t), video.NewID()
	file := r.save(video.TranscodedName(id))
	r.age(file)
	r.streams.put(video.Stream(id), video.TypeStarted, video.TypeFailed)
	r.streams.read = func(string) {
		_, err := r.disk.Keep(t.Context(), filepath.Join(r.folder, file), file)
		require.NoError(t, err)
	}
	r.sweep()
	r.requireKept(file)
}

// Whatever the order, a file whose command was appended is there.
func TestSweep_AtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 100 {
		id := video.NewID()
		file := r.save(video.UploadName(id))
		r.age(file)
		swept := make(chan error, 1)
		go func() { swept <- r.sweeper.Sweep(t.Context(), time.Now()) }()
		r.save(file)
		r.streams.put(video.CommandStream(id), video.TypeCatalog)
		require.NoError(t, <-swept)
		r.requireKept(file)
	}
}

func TestRun_EndsWithContext(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.streams.fail = messages.ErrUnavailable
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.sweeper.Run(ctx) }()
	require.Eventually(t, func() bool { return r.sweeper.failures.Load() == 1 }, 10*time.Second, time.Millisecond)
	stop()
	require.NoError(t, <-ended)
}
