package process

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"orderflow/bridge"

	"example.com/catalog/files"
	"example.com/catalog/media"
	"example.com/catalog/messages"
	"example.com/catalog/video"
)

var mediaUnusable = media.Unusable{Reason: video.ReasonBroken, Detail: "it ends early"}

func startOptions() client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: video.Stream(videoID), TaskQueue: TaskQueue}
}

// streams is a message store in memory.
type streams struct {
	messages map[string][]video.Message
	before   func() // called by Append, as another writer would act
	fail     error  // of the next Append
}

func (s *streams) Read(_ context.Context, stream string) ([]video.Message, error) {
	return s.messages[stream], nil
}

func (s *streams) Append(_ context.Context, stream string, expected messages.Expected, m video.NewMessage) error {
	if s.before != nil {
		s.before()
	}
	if err := s.fail; err != nil {
		s.fail = nil
		return err
	}
	for _, stored := range s.messages[stream] {
		if stored.ID == m.ID {
			return nil // as KurrentDB takes it for a repetition, and keeps the first one's data
		}
	}
	if expected != messages.After(uint64(len(s.messages[stream]))) {
		return messages.ErrWrongRevision
	}
	s.put(stream, m)
	return nil
}

func (s *streams) put(stream string, m video.NewMessage) {
	data, err := json.Marshal(m.Data)
	metadata, metadataErr := json.Marshal(m.Metadata)
	if err = errors.Join(err, metadataErr); err != nil {
		panic(err)
	}
	s.messages[stream] = append(s.messages[stream], video.Message{
		ID: m.ID, Stream: stream, Revision: uint64(len(s.messages[stream])), Type: m.Type, Data: data, Metadata: metadata, Time: time.Now(),
	})
}

func (s *streams) types() (types []string) {
	for _, m := range s.messages[video.Stream(videoID)] {
		types = append(types, m.Type)
	}
	return types
}

// tools count their calls, and fail once with each error in turn.
type tools struct {
	calls int
	fails []error
}

func (m *tools) next() error {
	m.calls++
	if len(m.fails) == 0 {
		return nil
	}
	err := m.fails[0]
	m.fails = m.fails[1:]
	return err
}

func (m *tools) Probe(context.Context, string) (media.Info, error) {
	return media.Info{Duration: time.Second, Width: 320, Height: 240, HasAudio: true}, nil
}

func (m *tools) Describe(ctx context.Context, path string) (media.Info, error) {
	return m.Probe(ctx, path)
}

func (m *tools) Transcode(_ context.Context, _, to string, _ media.Info, progress func(int)) error {
	progress(50)
	return errors.Join(m.next(), os.WriteFile(to, []byte("video"), 0o600))
}

func (m *tools) Transcribe(context.Context, string, string, func(int)) (string, bool, error) {
	return "hello", false, m.next()
}

type activityRig struct {
	*testing.T
	streams *streams
	tools   *tools
	disk    *files.Disk
	env     *testsuite.TestActivityEnvironment
}

// newActivityRig returns activities for a video that was uploaded.
func newActivityRig(t *testing.T) *activityRig {
	t.Helper()
	disk, err := files.OpenDisk(filepath.Join(t.TempDir(), "files"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, disk.Close()) })
	r := &activityRig{T: t, streams: &streams{messages: map[string][]video.Message{}}, tools: &tools{}, disk: disk}
	upload, err := disk.Save(t.Context(), videoID+".upload", stringsReader("upload"), 100)
	require.NoError(t, err)
	r.command(upload)
	a := &Activities{Messages: r.streams, Files: disk, Media: r.tools}
	r.env = (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	a.RegisterStore(r.env)
	a.RegisterMedia(r.env)
	return r
}

func (r *activityRig) command(upload video.File) {
	stream := video.CommandStream(videoID)
	r.streams.put(stream, video.NewMessage{
		ID: uuid.New(), Type: video.TypeCatalog, Data: video.Command{VideoID: videoID, Title: "A", Upload: upload},
		Metadata: video.NewMetadata("trace-1", stream, uuid.Nil),
	})
}

// execute returns the outcome of the last step, and an empty one of the others.
func (r *activityRig) execute(activity string, args ...any) (o Outcome, err error) {
	value, err := r.env.ExecuteActivity(activity, append([]any{videoID}, args...)...)
	if err == nil && (activity == finishActivity || activity == failActivity) {
		err = value.Get(&o)
	}
	return o, err
}

func (r *activityRig) executeAll(activities ...string) {
	r.Helper()
	for _, name := range activities {
		_, err := r.execute(name)
		require.NoError(r, err, name)
	}
}

var allSteps = []string{startActivity, transcodeActivity, transcribeActivity, finishActivity}

var allEvents = []string{video.TypeStarted, video.TypeTranscoded, video.TypeTranscribed, video.TypeCataloged}

func TestActivities_EachStepOnce(t *testing.T) {
	r := newActivityRig(t)
	r.executeAll(allSteps...)
	r.executeAll(allSteps...) // as after a reset of the workflow
	require.Equal(t, allEvents, r.streams.types())
	require.Equal(t, 2, r.tools.calls)
	for _, m := range r.streams.messages[video.Stream(videoID)] {
		metadata := video.MetadataOf(m)
		require.Equal(t, []string{"trace-1", video.CommandStream(videoID)}, []string{metadata.TraceID, metadata.OriginStreamName}, m.Type)
	}
	_, _, err := r.disk.Local(t.Context(), videoID+".mp4")
	require.NoError(t, err)
}

func TestActivities_SecondCommandChangesNothing(t *testing.T) {
	r := newActivityRig(t)
	r.executeAll(startActivity)
	r.command(video.File{Name: "other", Bytes: 1})
	r.executeAll(allSteps...)
	require.Equal(t, allEvents, r.streams.types())
}

func TestActivities_AnotherAttemptWritesFirst(t *testing.T) {
	r := newActivityRig(t)
	r.executeAll(startActivity)
	r.streams.before = func() {
		r.streams.before = nil
		r.executeAll(transcodeActivity)
	}
	r.executeAll(transcodeActivity)
	require.Equal(t, allEvents[:2], r.streams.types())
}

func TestActivities_CanceledMeanwhile(t *testing.T) {
	r := newActivityRig(t)
	r.executeAll(startActivity)
	r.streams.before = func() {
		r.streams.before = nil
		_, err := r.execute(failActivity, Outcome{Reason: video.ReasonCanceled})
		require.NoError(t, err)
	}
	_, err := r.execute(transcodeActivity)
	require.ErrorContains(t, err, messages.ErrWrongRevision.Error())
	var failure *temporal.ApplicationError
	require.ErrorAs(t, err, &failure)
	require.False(t, failure.NonRetryable())
	r.executeAll(allSteps...)
	require.Equal(t, []string{video.TypeStarted, video.TypeFailed}, r.streams.types())
}

func TestActivities_CanceledBeforeFirstEvent(t *testing.T) {
	r := newActivityRig(t)
	outcome, err := r.execute(failActivity, Outcome{Reason: video.ReasonCanceled})
	require.NoError(t, err)
	require.Equal(t, Outcome{Status: video.StatusFailed, Reason: video.ReasonCanceled}, outcome)
	require.Equal(t, []string{video.TypeStarted, video.TypeFailed}, r.streams.types())
	v, err := read(t.Context(), r.streams, videoID)
	require.NoError(t, err)
	require.Equal(t, []string{"A", "trace-1"}, []string{v.Started.Title, v.Metadata.TraceID})
}

// After a store was restored to an earlier moment, a running workflow is ahead of its events.
func TestActivities_EventsAreMissing(t *testing.T) {
	for _, name := range []string{transcodeActivity, transcribeActivity, finishActivity} {
		r := newActivityRig(t)
		if name != transcodeActivity {
			r.executeAll(startActivity)
		}
		_, err := r.execute(name)
		var failure *temporal.ApplicationError
		require.ErrorAs(t, err, &failure, name)
		require.True(t, failure.NonRetryable(), name)
		require.Contains(t, err.Error(), "start the workflow again")
	}
}

func TestActivities_KeptFileIsNotMadeAgain(t *testing.T) {
	r := newActivityRig(t)
	r.executeAll(startActivity)
	r.streams.fail = messages.ErrUnavailable
	_, err := r.execute(transcodeActivity)
	require.ErrorContains(t, err, messages.ErrUnavailable.Error())
	r.executeAll(transcodeActivity)
	require.Equal(t, 1, r.tools.calls)
	require.Equal(t, allEvents[:2], r.streams.types())
}

func TestActivities_Failures(t *testing.T) {
	for name, c := range map[string]struct {
		err       error
		retryable bool
	}{
		"a file that cannot be used": {&mediaUnusable, false},
		"a full disk":                {files.ErrFull, true},
		"a program that is killed":   {media.ErrCrashed, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newActivityRig(t)
			r.executeAll(startActivity)
			r.tools.fails = []error{c.err}
			_, err := r.execute(transcodeActivity)
			var failure *temporal.ApplicationError
			require.ErrorAs(t, err, &failure)
			require.Equal(t, c.retryable, !failure.NonRetryable())
			require.Equal(t, errors.Is(c.err, media.ErrCrashed), isCrash(err))
			require.Equal(t, allEvents[:1], r.streams.types())
			_, _, err = r.disk.Local(t.Context(), videoID+".mp4")
			require.ErrorIs(t, err, files.ErrNotFound, "a failed attempt leaves no file")
		})
	}
}

func TestActivities_FileIsGone(t *testing.T) {
	r := newActivityRig(t)
	path, _, err := r.disk.Local(t.Context(), videoID+".upload")
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	r.executeAll(startActivity)
	_, err = r.execute(transcodeActivity)
	var failure *temporal.ApplicationError
	require.ErrorAs(t, err, &failure)
	var outcome Outcome
	require.NoError(t, failure.Details(&outcome))
	require.Equal(t, video.ReasonMissing, outcome.Reason)
	outcome, err = r.execute(failActivity, outcome)
	require.NoError(t, err)
	require.Equal(t, Outcome{Status: video.StatusFailed, Reason: video.ReasonMissing}, outcome)
	r.executeAll(finishActivity)
	require.Equal(t, []string{video.TypeStarted, video.TypeFailed}, r.streams.types(), "a video that ended stays as it is")
}

func TestRoute(t *testing.T) {
	data := `{"videoId":"` + videoID + `","title":"A","upload":{"name":"a.upload","location":"","bytes":1,"sha256":"` + digest + `"}}`
	for name, c := range map[string]struct{ stream, data, want string }{
		"no JSON":                {video.CommandStream(videoID), "{", "INVALID: invalid: data is not the JSON of a command"},
		"another video's stream": {video.CommandStream(uuid.NewString()), data, "INVALID: invalid: videoId is not that of the stream"},
		"a path":                 {video.CommandStream(videoID), replace(data, "a.upload", "../secret"), "upload.name has to have"},
		"another video's file":   {video.CommandStream(videoID), replace(data, "a.upload", video.UploadName(uuid.NewString())), "that of another video"},
		"its transcoded file":    {video.CommandStream(videoID), replace(data, "a.upload", video.TranscodedName(videoID)), "or of a transcoded one"},
		"no title":               {video.CommandStream(videoID), replace(data, `"A"`, `" "`), "title has to have 1 to 200 characters"},
		"an empty file":          {video.CommandStream(videoID), replace(data, `"bytes":1`, `"bytes":0`), "upload.bytes has to be positive"},
		"a digest of words":      {video.CommandStream(videoID), replace(data, digest, "words"), "upload.sha256 has to have"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := route(t.Context(), bridge.Event{Stream: c.stream, Type: video.TypeCatalog, Data: []byte(c.data)})
			var parked *bridge.ParkError
			require.ErrorAs(t, err, &parked)
			require.Contains(t, parked.Reason, c.want)
		})
	}
	action, err := route(t.Context(), bridge.Event{Stream: video.CommandStream(videoID), Type: video.TypeCatalog, Data: []byte(data)})
	require.NoError(t, err)
	require.Equal(t, "catalog-"+videoID, action.(bridge.Start).Options.ID)
}
