package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"example.com/catalog/files"
	"example.com/catalog/messages"
	"example.com/catalog/video"
)

func mediaPath(id string) string { return videoPath(id) + "/media" }

// getMedia serves the transcoded file, or the ranges of it that a player requests.
func (s *site) getMedia(w http.ResponseWriter, r *http.Request, id string) error {
	v, err := s.playable(r.Context(), id)
	if err != nil {
		return err
	}
	file, err := s.Files.Open(v.File)
	if errors.Is(err, files.ErrNotFound) {
		return notFound("The video is not on this machine.")
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	w.Header().Set("Content-Type", "video/mp4")
	w.Header().Set("ETag", `"`+v.File+`"`)               // the content of a name never changes
	w.Header().Set("Cache-Control", "private, no-cache") // cached, and revalidated with the ETag
	http.ServeContent(pacedWriter{w, http.NewResponseController(w)}, r, "", time.Time{}, file)
	return nil
}

// pacedWriter extends the deadline of the connection at each write. A player that is
// paused for longer requests the rest again.
type pacedWriter struct {
	http.ResponseWriter
	connection *http.ResponseController
}

func (w pacedWriter) Write(p []byte) (int, error) {
	_ = w.connection.SetWriteDeadline(time.Now().Add(writeTimeout)) // if it fails, so does the write
	return w.ResponseWriter.Write(p)
}

// maxView is the size of the form that a page sends when it is played.
const maxView = 1 << 10

// postView appends the event that a video was played. The page contains the event's id,
// so a repeated request counts once: KurrentDB remembers the id for longer than a page
// does, unless it restarts meanwhile.
func (s *site) postView(w http.ResponseWriter, r *http.Request, id string) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxView)
	event, err := uuid.Parse(r.PostFormValue("view"))
	if err != nil || event == uuid.Nil {
		return badField("view", "The view has to be a UUID.")
	}
	if _, err := s.playable(r.Context(), id); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	stream := video.ViewingStream(id)
	err = s.Messages.Append(ctx, stream, messages.Any, video.NewMessage{
		ID: event, Type: video.TypeViewed, Data: video.Viewed{VideoID: id},
		Metadata: video.NewMetadata(traceOf(r), stream, uuid.Nil),
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
