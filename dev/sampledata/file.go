package sampledata

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

const (
	maxFileBytes = 64 << 20
	maxEvents    = 500_000 // of a file
	maxNameBytes = 1024    // of a stream or a type
)

// FileError reports what is wrong with a file of streams and where.
type FileError struct {
	Path   string // such as [3].events[1].type; empty for the file as a whole
	Reason string
}

// Error returns the path and the reason.
func (e *FileError) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	return e.Path + ": " + e.Reason
}

type fileStream struct {
	Stream string      `json:"stream"`
	Events []fileEvent `json:"events"`
}

type fileEvent struct {
	ID          string         `json:"id"`
	Type        string         `json:"type"`
	ContentType string         `json:"content-type"`
	Data        jsontext.Value `json:"data"`
	DataBase64  []byte         `json:"dataBase64"`
	Metadata    jsontext.Value `json:"metadata"`
}

// ReadFile reads an array of {stream, events:[{id, type, content-type, data, metadata}]}.
// It returns the streams in the file's order; a stream that occurs again continues. Data
// is kept byte for byte, however unusual (duplicate members, invalid UTF-8). dataBase64
// instead of data allows any bytes. A missing id is derived from the stream and the
// event's index in the whole stream; a missing content type follows from which of the two
// fields is set. An invalid file returns a *FileError.
func ReadFile(r io.Reader) ([]Stream, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read streams: %w", err)
	}
	if len(content) > maxFileBytes {
		return nil, &FileError{Reason: fmt.Sprintf("must be at most %d bytes", maxFileBytes)}
	}
	var wire []fileStream
	options := json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if err := json.Unmarshal(content, &wire, options); err != nil {
		return nil, fileError(err)
	}
	if wire == nil {
		return nil, &FileError{Reason: "must be an array of streams"}
	}
	return readStreams(wire)
}

func readStreams(wire []fileStream) ([]Stream, error) {
	streams := make([]Stream, 0, len(wire))
	count, lengths := 0, map[string]int{} // number of events, in all and per stream
	for i, s := range wire {
		at := fmt.Sprintf("[%d].", i)
		if err := checkName(at+"stream", s.Stream); err != nil {
			return nil, err
		}
		if strings.HasPrefix(s.Stream, "$") {
			return nil, &FileError{Path: at + "stream", Reason: "must not be a system stream"}
		}
		if s.Events == nil {
			return nil, &FileError{Path: at + "events", Reason: "is missing"}
		}
		if count += len(s.Events); count > maxEvents {
			return nil, &FileError{Path: at + "events", Reason: fmt.Sprintf("must not bring the file above %d events", maxEvents)}
		}
		stream := Stream{Name: s.Stream, Events: make([]Event, 0, len(s.Events))}
		for j, e := range s.Events {
			event, err := e.read(fmt.Sprintf("%sevents[%d].", at, j), s.Stream, lengths[s.Stream])
			if err != nil {
				return nil, err
			}
			stream.Events = append(stream.Events, event)
			lengths[s.Stream]++
		}
		streams = append(streams, stream)
	}
	return streams, nil
}

// read validates one event, which is the index-th of its stream.
func (e fileEvent) read(at, stream string, index int) (Event, error) {
	if err := checkName(at+"type", e.Type); err != nil {
		return Event{}, err
	}
	event := Event{ID: e.ID, Type: e.Type, ContentType: e.ContentType, Data: e.Data}
	switch {
	case e.ID == "":
		event.ID = derivedID(stream, index)
	case len(e.ID) != 36 || uuid.Validate(e.ID) != nil:
		return Event{}, &FileError{Path: at + "id", Reason: "must be a UUID"}
	}
	fallback := ContentTypeJSON
	switch {
	case e.Data != nil && e.DataBase64 != nil:
		return Event{}, &FileError{Path: at + "dataBase64", Reason: "must not be combined with data"}
	case e.Data == nil && e.DataBase64 == nil:
		return Event{}, &FileError{Path: at + "data", Reason: "is missing"}
	case e.Data == nil:
		event.Data, fallback = e.DataBase64, ContentTypeBinary
	}
	if e.ContentType == "" {
		event.ContentType = fallback
	}
	if event.ContentType != ContentTypeJSON && event.ContentType != ContentTypeBinary {
		reason := "must be " + ContentTypeJSON + " or " + ContentTypeBinary
		return Event{}, &FileError{Path: at + "content-type", Reason: reason}
	}
	if e.Metadata.Kind() != 'n' {
		event.Metadata = e.Metadata
	}
	return event, nil
}

func checkName(path, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return &FileError{Path: path, Reason: "is missing"}
	case len(name) > maxNameBytes:
		return &FileError{Path: path, Reason: fmt.Sprintf("must be at most %d bytes", maxNameBytes)}
	}
	return nil
}

// derivedID returns the same id for the same place in the same stream, so that appending
// the same file again changes nothing.
func derivedID(stream string, index int) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(stream+"/"+strconv.Itoa(index))).String()
}

// fileError describes an error of the JSON library without repeating the file's content.
func fileError(err error) error {
	var syntax *jsontext.SyntacticError
	var kind *json.SemanticError
	switch {
	case errors.As(err, &syntax):
		return &FileError{Reason: fmt.Sprintf("is not JSON from byte %d on", syntax.ByteOffset)}
	case errors.As(err, &kind):
		return &FileError{Path: path(kind.JSONPointer), Reason: "must be " + wanted(kind.GoType)}
	default:
		return &FileError{Reason: "is not JSON"}
	}
}

// path formats a JSON pointer as [3].events[1].type. It contains only the format's own
// member names.
func path(pointer jsontext.Pointer) string {
	var b strings.Builder
	for token := range pointer.Tokens() {
		if _, err := strconv.Atoi(token); err == nil {
			b.WriteString("[" + token + "]")
			continue
		}
		b.WriteString("." + token)
	}
	return b.String()
}

func wanted(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.String:
		return "a string"
	case t.Kind() == reflect.Struct:
		return "an object"
	case t.Elem().Kind() == reflect.Uint8:
		return "a string in base64"
	default:
		return "an array"
	}
}
