package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"example.com/catalog/video"
	"example.com/catalog/view"
)

// listBody is the data of the page with the list.
type listBody struct {
	Form   *form
	Videos []view.Video
	Known  bool        // the list could be read
	First  bool        // the list begins with the newest video
	Next   view.Cursor // of older videos; zero if there are none
}

var errNoVideo = errors.New("no such video")

// withVideoID returns the handler of a path that contains the id of a video.
func withVideoID(h func(w http.ResponseWriter, r *http.Request, id string) error) handle {
	return func(w http.ResponseWriter, r *http.Request) error {
		id := r.PathValue("id")
		if video.ParseID(id) != nil {
			return errNoVideo
		}
		return h(w, r, id)
	}
}

// getList serves the form and the list of videos, the newest first. If the list is
// unavailable, videos can still be uploaded.
func (s *site) getList(w http.ResponseWriter, r *http.Request) error {
	after, err := parseCursor(r.URL.Query().Get("after"))
	if err != nil {
		return badField("after", "This is not the address of a list.")
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	body := listBody{Form: s.newForm(), First: after == 0, Known: true}
	p := page{Title: "Videos", Status: http.StatusOK, Name: "list"}
	if body.Videos, body.Next, err = s.View.List(ctx, after, pageSize); err != nil {
		s.log(r, outage("", err))
		w.Header().Set("Retry-After", retrySeconds)
		p.Status, body.Known = http.StatusServiceUnavailable, false
	}
	p.Body = body
	return s.render(w, p)
}

// parseCursor returns a cursor, which is zero for an address without one.
func parseCursor(after string) (view.Cursor, error) {
	if after == "" {
		return 0, nil
	}
	position, err := strconv.ParseUint(after, 10, 64)
	return view.Cursor(position), err
}

// videoBody is the data of a video's page.
type videoBody struct {
	view.Video
	Viewing string // id of the event that this page reports when the video is played
	Percent int    // of the video that are transcoded; 0 if it is not known
}

// getVideo serves a video: its page for people, and its row for programs.
func (s *site) getVideo(w http.ResponseWriter, r *http.Request, id string) error {
	v, err := s.find(r.Context(), id)
	if err != nil {
		return err
	}
	if wantsJSON(r) {
		return sendJSON(w, http.StatusOK, resourceOf(v))
	}
	body := videoBody{Video: v, Viewing: video.NewID()}
	p := page{Title: v.Title, Status: http.StatusOK, Name: "waiting", Refresh: "2"}
	switch v.Status {
	case video.StatusCataloged:
		p.Name, p.Refresh = "video", ""
	case video.StatusFailed:
		p.Name, p.Refresh = "failed", ""
	case video.StatusStarted:
		body.Percent, _ = s.Progress.Transcoded(r.Context(), id)
	}
	p.Body = body
	return s.render(w, p)
}

// find returns a video that has a row, or at least a command: the row follows the first
// event.
func (s *site) find(ctx context.Context, id string) (view.Video, error) {
	v, err := s.row(ctx, id)
	if !errors.Is(err, errNoVideo) {
		return v, err
	}
	m, command, err := s.commandMessage(ctx, id)
	switch {
	case err != nil:
		return view.Video{}, err
	case m.Type == "":
		return view.Video{}, errNoVideo
	}
	return view.Video{
		ID: id, Title: command.Title, Status: video.StatusReceived,
		UploadedAt: m.Time, UpdatedAt: m.Time, TraceID: video.MetadataOf(m).TraceID,
	}, nil
}

// row returns the row of a video, or errNoVideo.
func (s *site) row(ctx context.Context, id string) (view.Video, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	v, err := s.View.Get(ctx, id)
	switch {
	case errors.Is(err, view.ErrNotFound):
		return view.Video{}, errNoVideo
	case err != nil:
		return view.Video{}, outage("The list of videos is unavailable.", err)
	}
	return v, nil
}

// playable returns the row of a video that was transcoded, or a problem.
func (s *site) playable(ctx context.Context, id string) (view.Video, error) {
	v, err := s.row(ctx, id)
	if err == nil && v.File == "" {
		err = notFound("The video cannot be played yet.")
	}
	return v, err
}

// commandMessage returns the command to catalog a video, with its message. The message
// has no type if there is no command that package process would accept.
func (s *site) commandMessage(ctx context.Context, id string) (video.Message, video.Command, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	all, err := s.Messages.Read(ctx, video.CommandStream(id))
	if err != nil {
		return video.Message{}, video.Command{}, err
	}
	m, command, _ := video.FindCommand(all)
	return m, command, nil
}

// resource is a video for programs.
type resource struct {
	ID         string       `json:"id"`
	Title      string       `json:"title"`
	Status     video.Status `json:"status"`
	Reason     video.Reason `json:"reason,omitempty"` // of a failure
	Detail     string       `json:"detail,omitempty"` // of a failure
	Media      string       `json:"media,omitempty"`  // path of what can be played
	DurationMS int64        `json:"durationMs,omitempty"`
	Width      int          `json:"width,omitempty"`
	Height     int          `json:"height,omitempty"`
	Transcript string       `json:"transcript,omitempty"`
	Views      int64        `json:"views"`
	UploadedAt time.Time    `json:"uploadedAt"`
	UpdatedAt  time.Time    `json:"updatedAt"`
	TraceID    string       `json:"traceId,omitempty"`
}

func resourceOf(v view.Video) resource {
	r := resource{
		ID: v.ID, Title: v.Title, Status: v.Status, Reason: v.Reason, Detail: v.Detail,
		DurationMS: v.DurationMS, Width: v.Width, Height: v.Height, Transcript: v.Transcript,
		Views: v.Views, UploadedAt: v.UploadedAt, UpdatedAt: v.UpdatedAt, TraceID: v.TraceID,
	}
	if v.File != "" {
		r.Media = mediaPath(v.ID)
	}
	return r
}
