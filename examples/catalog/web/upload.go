package web

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"example.com/catalog/files"
	"example.com/catalog/messages"
	"example.com/catalog/video"
)

// postVideo receives an upload, and sends the client to the page of the video.
func (s *site) postVideo(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength > s.MaxUpload+maxForm {
		return files.ErrTooLarge // before it is sent
	}
	body, f := newBody(w, r, s.pace, s.MaxUpload+maxForm), s.newForm()
	if !s.uploads.take(body, time.Now()) {
		return outage("Too many uploads are in progress.", nil)
	}
	defer s.uploads.release(body)
	r.Body = body
	err := s.receive(r, f)
	if err != nil {
		err = s.refusal(f, cmp.Or(body.fault(), err))
	}
	body.drain()
	_ = body.connection.SetWriteDeadline(time.Now().Add(writeTimeout)) // the server's may have passed
	if err != nil {
		return err
	}
	return sendAccepted(w, r, f.ID)
}

func sendAccepted(w http.ResponseWriter, r *http.Request, id string) error {
	location := videoPath(id)
	if !wantsJSON(r) {
		http.Redirect(w, r, location, http.StatusSeeOther)
		return nil
	}
	w.Header().Set("Location", location)
	return sendJSON(w, http.StatusAccepted, map[string]string{"id": id, "location": location})
}

// receive keeps the file of an upload and appends its command, unless an earlier
// submission has done both.
func (s *site) receive(r *http.Request, f *form) error {
	parts, err := r.MultipartReader()
	if err != nil {
		return problemOf(http.StatusUnsupportedMediaType, "An upload is a form in multipart/form-data.")
	}
	part, err := f.read(parts)
	if err != nil {
		return err
	}
	file, err := openVideo(part)
	if err != nil {
		return err
	}
	return s.accept(r, f, file)
}

// accept reads the command first, so that most outages are reported before the file is
// received.
func (s *site) accept(r *http.Request, f *form, file io.Reader) error {
	hash := sha256.New()
	file = io.TeeReader(file, hash)
	earlier, found, err := s.command(r.Context(), f.ID)
	if err != nil {
		return err
	}
	if found {
		if _, err := io.Copy(io.Discard, file); err != nil {
			return err
		}
		return f.compare(earlier, sum(hash))
	}
	kept, err := s.Files.Save(r.Context(), video.UploadName(f.ID), file, s.MaxUpload)
	if errors.Is(err, files.ErrExists) {
		kept, err = s.keptBefore(r.Context(), f.ID, file, hash)
	}
	if err != nil {
		return err
	}
	return s.appendCommand(r, f, kept)
}

// keptBefore returns the file of an earlier submission, if this one is the same. The
// command of the earlier one may still be appended, so its file is never replaced.
func (s *site) keptBefore(ctx context.Context, id string, file io.Reader, hash hash.Hash) (video.File, error) {
	if _, err := io.Copy(io.Discard, file); err != nil {
		return video.File{}, err
	}
	kept, err := s.Files.Describe(ctx, video.UploadName(id))
	if err == nil && kept.SHA256 != sum(hash) {
		err = conflict("")
	}
	return kept, err
}

func sum(hash hash.Hash) string { return hex.EncodeToString(hash.Sum(nil)) }

// appendCommand appends the command to catalog a file that is kept, also if the client
// has disconnected meanwhile. If that fails, the same submission can be repeated.
func (s *site) appendCommand(r *http.Request, f *form, kept video.File) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeTimeout)
	defer cancel()
	stream := video.CommandStream(f.ID)
	err := s.Messages.Append(ctx, stream, messages.NoStream, video.NewMessage{
		ID: video.CommandID(f.ID, f.Title, kept.SHA256), Type: video.TypeCatalog,
		Data:     video.Command{VideoID: f.ID, Title: f.Title, Upload: kept},
		Metadata: video.NewMetadata(traceOf(r), stream, uuid.Nil),
	})
	if !errors.Is(err, messages.ErrWrongRevision) {
		return err
	}
	earlier, found, err := s.command(ctx, f.ID) // of a submission to another machine
	switch {
	case err != nil:
		return err
	case !found:
		return conflict("") // the stream holds something else
	}
	return f.compare(earlier, kept.SHA256)
}

// command returns the command to catalog a video, and whether there is one.
func (s *site) command(ctx context.Context, id string) (c video.Command, found bool, err error) {
	m, c, err := s.commandMessage(ctx, id)
	return c, m.Type != "", err
}

// compare returns nil if the form repeats the submission whose command was appended.
func (f *form) compare(earlier video.Command, sha256 string) error {
	if earlier.Title == f.Title && earlier.Upload.SHA256 == sha256 {
		return nil
	}
	return conflict(videoPath(f.ID))
}

// conflict returns the problem of an id that belongs to another video, whose page is at
// location.
func conflict(location string) *problem {
	p := problemOf(http.StatusConflict, "Another video was sent with this form before.")
	p.Field, p.Location = fieldID, location
	return p
}

// refusal returns the problem of an upload, with a form for another try. The form keeps
// the id, because the command may have been appended in spite of the error. It gets a new
// one if the id belongs to another video.
func (s *site) refusal(f *form, err error) *problem {
	p := s.toProblem(err)
	if p.Status == http.StatusConflict {
		f.ID = video.NewID()
	}
	p.Form, f.Wrong = f, p.Field
	return p
}
