package web

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.com/catalog/media"
	"example.com/catalog/video"
)

// Fields of an upload's form, in their order: the server must know the others before it
// receives the file. The id is optional.
const (
	fieldID    = "id"
	fieldTitle = "title"
	fieldFile  = "file"
)

const (
	maxField = 4 * video.MaxTitle // bytes
	maxForm  = 64 << 10           // bytes of the form without the file
)

// form is an upload's form, as it is shown and as it was submitted.
type form struct {
	ID       string
	Title    string
	MaxBytes int64  // of the file
	Wrong    string // the field that a problem is about
}

func (s *site) newForm() *form { return &form{ID: video.NewID(), MaxBytes: s.MaxUpload} }

// read reads the fields before the file, and returns the part with the file. Without a
// valid id, the form keeps its new one.
func (f *form) read(parts *multipart.Reader) (*multipart.Part, error) {
	part, err := next(parts, fieldID, fieldTitle)
	if err == nil && part.FormName() == fieldID {
		if err = f.readID(part); err == nil {
			part, err = next(parts, fieldTitle)
		}
	}
	if err != nil {
		return nil, err
	}
	title, err := readField(part, fieldTitle)
	if err != nil {
		return nil, err
	}
	f.Title = strings.TrimSpace(title)
	if err := checkTitle(f.Title); err != nil {
		return nil, err
	}
	return next(parts, fieldFile)
}

// readID reads the id, unless it is empty.
func (f *form) readID(part *multipart.Part) error {
	id, err := readField(part, fieldID)
	lower := strings.ToLower(id)
	switch {
	case err != nil:
		return err
	case id == "":
		return nil
	case video.ParseID(id) == nil:
		f.ID = id
		return nil
	case video.ParseID(lower) == nil:
		return badField(fieldID, "The id contains upper-case letters. Send it in lower case: "+lower+".")
	}
	return badField(fieldID, "The id has to be a UUID in lower case.")
}

// readField returns the value of a field.
func readField(part *multipart.Part, name string) (string, error) {
	value, err := io.ReadAll(io.LimitReader(part, maxField+1))
	if err != nil {
		return "", fmt.Errorf("read field %s: %w", name, err)
	}
	if len(value) > maxField {
		return "", badField(name, fmt.Sprintf("The %s is longer than %d bytes.", name, maxField))
	}
	return string(value), nil
}

// next returns the next part, which must have one of the names. The last one is required.
func next(parts *multipart.Reader, names ...string) (*multipart.Part, error) {
	part, err := parts.NextRawPart()
	missing := names[len(names)-1]
	switch {
	case errors.Is(err, io.EOF), err == nil && !slices.Contains(names, part.FormName()):
		return nil, badField(missing, "The "+missing+
			" is missing: the form has the fields id (optional), title and file, in this order.")
	case err != nil:
		return nil, problemOf(http.StatusBadRequest, "The form is not complete.")
	}
	return part, nil
}

// openVideo returns the file of a part. It returns a problem if the file is empty, or if
// its declared type or its first bytes are not those of a video. Whether it can be played
// is only known once all of it was decoded.
func openVideo(part *multipart.Part) (io.Reader, error) {
	file := bufio.NewReaderSize(part, 32<<10)
	head, err := file.Peek(media.HeadLength)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case len(head) == 0:
		return nil, badField(fieldFile, "The file is missing or empty.")
	case !mayBeVideo(part.Header.Get("Content-Type")) || media.Format(head) == "":
		p := problemOf(http.StatusUnsupportedMediaType, "The file has to be a video: "+media.Formats+".")
		p.Field = fieldFile
		return nil, p
	}
	return file, nil
}

// mayBeVideo reports whether a file with a declared type may be a video. Clients that do
// not know the type declare none, or application/octet-stream.
func mayBeVideo(declared string) bool {
	kind, _, err := mime.ParseMediaType(declared)
	return declared == "" || err == nil && (strings.HasPrefix(kind, "video/") || kind == "application/octet-stream")
}

// checkTitle returns a problem unless the title can be stored and shown.
func checkTitle(title string) error {
	switch {
	case !strings.ContainsFunc(title, isVisible):
		return badField(fieldTitle, "The title is missing.")
	case !utf8.ValidString(title) || strings.ContainsFunc(title, unicode.IsControl) || strings.ContainsAny(title, directions):
		return badField(fieldTitle, "The title has to be text without control characters.")
	case utf8.RuneCountInString(title) > video.MaxTitle:
		return badField(fieldTitle, fmt.Sprintf("The title is longer than %d characters.", video.MaxTitle))
	}
	return nil
}

// directions are the characters that reverse the text around them.
const directions = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

func isVisible(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }
