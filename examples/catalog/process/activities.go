package process

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"

	"example.com/catalog/files"
	"example.com/catalog/media"
	"example.com/catalog/messages"
	"example.com/catalog/video"
)

// Reader reads the messages of a stream, oldest first, none if there is no such stream.
// messages.Store implements it.
type Reader interface {
	Read(ctx context.Context, stream string) ([]video.Message, error)
}

// Messages are the streams. messages.Store implements it.
type Messages interface {
	Reader
	Append(ctx context.Context, stream string, expected messages.Expected, m video.NewMessage) error
}

// Files are the files that workers of one location can read. files.Disk implements it.
type Files interface {
	Local(ctx context.Context, name string) (path string, release func(), err error)
	Temporary(name string) (path string, remove func(), err error)
	Keep(ctx context.Context, temporary, name string) (video.File, error)
}

// Media is what is done with a file. media.Tools implements it.
type Media interface {
	Probe(ctx context.Context, path string) (media.Info, error)    // of an upload, within its bounds
	Describe(ctx context.Context, path string) (media.Info, error) // of a file that Transcode made
	Transcode(ctx context.Context, from, to string, info media.Info, progress func(percent int)) error
	Transcribe(ctx context.Context, from, scratch string, progress func(percent int)) (string, bool, error)
}

// Activities are the activities of the workflow.
type Activities struct {
	Messages Messages
	Files    Files
	Media    Media
}

// Registry is where activities are registered. worker.Worker implements it.
type Registry interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// RegisterStore registers what runs on TaskQueue.
func (a *Activities) RegisterStore(w Registry) {
	for name, function := range map[string]any{startActivity: a.start, finishActivity: a.finish, failActivity: a.fail} {
		w.RegisterActivityWithOptions(function, activity.RegisterOptions{Name: name})
	}
}

// RegisterMedia registers what runs on a MediaQueue.
func (a *Activities) RegisterMedia(w Registry) {
	for name, function := range map[string]any{transcodeActivity: a.transcode, transcribeActivity: a.transcribe} {
		w.RegisterActivityWithOptions(function, activity.RegisterOptions{Name: name})
	}
}

// start writes Started from the first command of the video, and returns the location of the
// uploaded file.
func (a *Activities) start(ctx context.Context, id string) (location string, err error) {
	err = a.step(ctx, id, video.StatusReceived, video.StatusStarted, func(ctx context.Context, _ video.Video) (video.NewMessage, error) {
		commands, err := a.Messages.Read(ctx, video.CommandStream(id))
		if err != nil {
			return video.NewMessage{}, err
		}
		m, command, found := video.FindCommand(commands)
		if !found {
			return video.NewMessage{}, errNoCommand
		}
		return video.FirstEvent(m, command), nil
	})
	if err != nil {
		return "", err
	}
	v, err := read(ctx, a.Messages, id)
	return v.Started.Upload.Location, classify(err)
}

// transcode makes a file that browsers play, and writes Transcoded.
func (a *Activities) transcode(ctx context.Context, id string) error {
	return a.mediaStep(ctx, id, video.StatusStarted, video.StatusTranscoded, func(ctx context.Context, v video.Video, p *progress) (video.NewMessage, error) {
		name := video.TranscodedName(id)
		path, release, err := a.Files.Local(ctx, name)
		if errors.Is(err, files.ErrNotFound) { // no earlier attempt has kept it
			path, release, err = a.make(ctx, v.Started.Upload, name, p)
		}
		if err != nil {
			return video.NewMessage{}, err
		}
		defer release()
		made, err := a.Media.Describe(ctx, path)
		if err != nil {
			return video.NewMessage{}, err
		}
		file, err := a.Files.Keep(ctx, path, name)
		return v.Event(id, video.TypeTranscoded, video.Transcoded{
			VideoID: id, File: file, DurationMS: made.Duration.Milliseconds(), Width: made.Width, Height: made.Height,
		}), err
	})
}

// make transcodes a file into a temporary one, which release removes.
func (a *Activities) make(ctx context.Context, upload video.File, name string, p *progress) (path string, release func(), err error) {
	from, done, err := a.source(ctx, upload)
	if err != nil {
		return "", nil, err
	}
	defer done()
	info, err := a.Media.Probe(ctx, from)
	if err != nil {
		return "", nil, err
	}
	if path, release, err = a.Files.Temporary(name); err != nil {
		return "", nil, err
	}
	if err := a.Media.Transcode(ctx, from, path, info, p.set); err != nil {
		release()
		return "", nil, err
	}
	return path, release, nil
}

// transcribe recognizes the speech, and writes Transcribed.
func (a *Activities) transcribe(ctx context.Context, id string) error {
	return a.mediaStep(ctx, id, video.StatusTranscoded, video.StatusTranscribed, func(ctx context.Context, v video.Video, p *progress) (video.NewMessage, error) {
		from, done, err := a.source(ctx, v.Transcoded.File)
		if err != nil {
			return video.NewMessage{}, err
		}
		defer done()
		scratch, remove, err := a.Files.Temporary(id + ".wav")
		if err != nil {
			return video.NewMessage{}, err
		}
		defer remove()
		transcript, truncated, err := a.Media.Transcribe(ctx, from, scratch, p.set)
		return v.Event(id, video.TypeTranscribed, video.Transcribed{
			VideoID: id, Transcript: transcript, Truncated: truncated,
		}), err
	})
}

// source returns the path of a file that an event names, until it is released.
func (a *Activities) source(ctx context.Context, f video.File) (path string, release func(), err error) {
	path, release, err = a.Files.Local(ctx, f.Name)
	if errors.Is(err, files.ErrNotFound) {
		err = &media.Unusable{Reason: video.ReasonMissing, Detail: "the file is gone"}
	}
	return path, release, err
}

// finish writes Cataloged.
func (a *Activities) finish(ctx context.Context, id string) (Outcome, error) {
	return a.end(ctx, id, video.StatusTranscribed, func(v video.Video) video.NewMessage {
		return v.Event(id, video.TypeCataloged, video.Cataloged{VideoID: id})
	})
}

// fail writes Failed. A video that is canceled before its first event gets that, too: every
// stream begins with it.
func (a *Activities) fail(ctx context.Context, id string, failure Outcome) (Outcome, error) {
	if _, err := a.start(ctx, id); err != nil {
		return Outcome{}, err
	}
	return a.end(ctx, id, video.StatusStarted, func(v video.Video) video.NewMessage {
		return v.Event(id, video.TypeFailed, video.Failed{
			VideoID: id, Reason: failure.Reason, Detail: video.Cut(failure.Detail, video.MaxDetail),
		})
	})
}

// end writes the last event, unless there is one, and returns the outcome by the events.
func (a *Activities) end(
	ctx context.Context, id string, after video.Status, last func(video.Video) video.NewMessage,
) (Outcome, error) {
	err := a.step(ctx, id, after, video.StatusCataloged, func(_ context.Context, v video.Video) (video.NewMessage, error) {
		return last(v), nil
	})
	if err != nil {
		return Outcome{}, err
	}
	v, err := read(ctx, a.Messages, id)
	return Outcome{Status: v.Status, Reason: v.Failure.Reason}, classify(err)
}
