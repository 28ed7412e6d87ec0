package video

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Categories of streams. A category ends at the first dash of a stream's name, so the
// category of commands has none.
const (
	Category        = "catalog"         // one stream of events for each video
	CommandCategory = "catalog:command" // one stream of commands for each video
	ViewingCategory = "viewing"         // one stream for each video that was viewed
)

// Types of messages.
const (
	TypeCatalog     = "Catalog" // the command
	TypeStarted     = "Started"
	TypeTranscoded  = "Transcoded"
	TypeTranscribed = "Transcribed"
	TypeCataloged   = "Cataloged"
	TypeFailed      = "Failed"
	TypeViewed      = "Viewed"
)

// Limits of what a message may hold.
const (
	MaxTitle      = 200      // characters
	MaxTranscript = 64 << 10 // bytes; a longer transcript is cut at a word
	MaxDetail     = 500      // bytes of a failure's detail
)

// ErrInvalid is returned for a message or an id that cannot be used, wrapped with the
// field's name.
var ErrInvalid = errors.New("invalid")

// NewID returns the id of a new video.
func NewID() string { return uuid.NewString() }

// ParseID returns ErrInvalid unless s is the id of a video: a UUID in lower case with dashes.
func ParseID(s string) error {
	if id, err := uuid.Parse(s); err != nil || id.String() != s {
		return fmt.Errorf("%w: videoId is not a UUID in lower case", ErrInvalid)
	}
	return nil
}

// Stream returns the stream of a video's events.
func Stream(id string) string { return Category + "-" + id }

// CommandStream returns the stream of the commands to catalog a video.
func CommandStream(id string) string { return CommandCategory + "-" + id }

// ViewingStream returns the stream of a video's viewings.
func ViewingStream(id string) string { return ViewingCategory + "-" + id }

// Message is a message as it is stored.
type Message struct {
	ID       uuid.UUID
	Stream   string // where it was written, also if it was read through a category
	Revision uint64 // its position in Stream, from 0
	Position uint64 // its position in what it was read from: Stream, or a category's stream
	Type     string
	Data     []byte // JSON
	Metadata []byte // JSON, or empty
	Time     time.Time
}

// NewMessage is a message to be written.
type NewMessage struct {
	ID       uuid.UUID
	Type     string
	Data     any // encoded as JSON
	Metadata Metadata
}

// Metadata connects the messages about one video, from the upload to the last event.
type Metadata struct {
	TraceID          string `json:"traceId"`          // the same from the upload to the last event
	OriginStreamName string `json:"originStreamName"` // of the stream whose message began the work
	CorrelationID    string `json:"$correlationId"`   // equals TraceID: KurrentDB's own name for it
	CausationID      string `json:"$causationId"`     // id of the message that led to this one
}

// NewMetadata returns the metadata of a message that another message led to.
func NewMetadata(traceID, originStream string, cause uuid.UUID) Metadata {
	m := Metadata{TraceID: traceID, OriginStreamName: originStream, CorrelationID: traceID}
	if cause != uuid.Nil {
		m.CausationID = cause.String()
	}
	return m
}

// MetadataOf returns the metadata of a stored message. What cannot be decoded is left empty,
// for another program may have written it.
func MetadataOf(m Message) Metadata {
	var metadata Metadata
	_ = json.Unmarshal(m.Metadata, &metadata)
	if metadata.TraceID == "" {
		metadata.TraceID = metadata.CorrelationID
	}
	return metadata
}

// namespace is the namespace of message ids that are derived from a stream and a type.
var namespace = uuid.MustParse("6d1c4a3e-0a57-4d0b-9a43-27d15d0ef1c5")

// MessageID returns the id of the only message of a type in a stream. A writer that repeats
// an append after a lost response sends the same id, so that KurrentDB finds the first.
func MessageID(stream, messageType string) uuid.UUID {
	return uuid.NewSHA1(namespace, []byte(stream+"/"+messageType))
}

// CommandID returns the id of a command. Two submissions of one form with other content are
// two commands: with the same id, KurrentDB would take the second for the first.
func CommandID(id, title, sha256 string) uuid.UUID {
	return uuid.NewSHA1(namespace, []byte(CommandStream(id)+"\x00"+title+"\x00"+sha256))
}

// File is a file among those of the catalog.
type File struct {
	Name     string `json:"name"`               // its name there
	Location string `json:"location,omitempty"` // id of the folder that holds it; empty if all machines share it
	Bytes    int64  `json:"bytes"`
	SHA256   string `json:"sha256"` // in hexadecimal digits
}

// Command is the data of the command Catalog.
type Command struct {
	VideoID string `json:"videoId"`
	Title   string `json:"title"`
	Upload  File   `json:"upload"`
}

// Started is the data of the first event of a video.
type Started struct {
	VideoID string `json:"videoId"`
	Title   string `json:"title"`
	Upload  File   `json:"upload"`
}

// Transcoded is the data of the event that a video can be played.
type Transcoded struct {
	VideoID    string `json:"videoId"`
	File       File   `json:"file"`
	DurationMS int64  `json:"durationMs"`
	Width      int    `json:"width"`
	Height     int    `json:"height"`
}

// Transcribed is the data of the event that a video's speech was recognized.
type Transcribed struct {
	VideoID    string `json:"videoId"`
	Transcript string `json:"transcript"` // a line for each utterance; empty without speech
	Truncated  bool   `json:"truncated"`  // the transcript is longer than MaxTranscript
}

// Cataloged is the data of the last event of a video that can be played, with its transcript.
type Cataloged struct {
	VideoID string `json:"videoId"`
}

// Failed is the data of the last event of a video that cannot be cataloged.
type Failed struct {
	VideoID string `json:"videoId"`
	Reason  Reason `json:"reason"`
	Detail  string `json:"detail"` // for people
}

// Viewed is the data of the event that a video was played.
type Viewed struct {
	VideoID string `json:"videoId"`
}

// Reason says why a video cannot be cataloged.
type Reason string

// Reasons.
const (
	ReasonNotVideo Reason = "not-a-video" // the file holds no moving picture, or not in an accepted format
	ReasonBroken   Reason = "broken"      // the file is a video that ends early or cannot be decoded
	ReasonTooLong  Reason = "too-long"
	ReasonMissing  Reason = "missing"  // the file is gone
	ReasonCrashed  Reason = "crashed"  // each of several attempts crashed a program or the process, or did not end
	ReasonElapsed  Reason = "elapsed"  // no attempt succeeded in time, or no worker had the file
	ReasonCanceled Reason = "canceled" // the workflow was canceled
)

// FindCommand returns the first valid command among the messages of a command stream, with
// its message, and reports whether there is one. Others were parked, and a corrected one may
// follow.
func FindCommand(messages []Message) (m Message, c Command, found bool) {
	for _, m := range messages {
		if c, err := ParseCommand(m); err == nil && m.Type == TypeCatalog {
			return m, c, true
		}
	}
	return Message{}, Command{}, false
}

// Cut returns the text, or as much of its beginning as limit bytes can hold in whole
// characters.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// ParseCommand decodes and validates the command of a message. It returns ErrInvalid with the
// field's name.
func ParseCommand(m Message) (Command, error) {
	var c Command
	if err := json.Unmarshal(m.Data, &c); err != nil {
		return Command{}, fmt.Errorf("%w: data is not the JSON of a command", ErrInvalid)
	}
	return c, c.validate(m.Stream)
}

func (c Command) validate(stream string) error {
	if err := ParseID(c.VideoID); err != nil {
		return err
	}
	switch {
	case stream != CommandStream(c.VideoID):
		return fmt.Errorf("%w: videoId is not that of the stream", ErrInvalid)
	case strings.TrimSpace(c.Title) == "" || len([]rune(c.Title)) > MaxTitle:
		return fmt.Errorf("%w: title has to have 1 to %d characters", ErrInvalid, MaxTitle)
	}
	if _, ok := OwnerOf(c.Upload.Name); ok && c.Upload.Name != UploadName(c.VideoID) {
		return fmt.Errorf("%w: upload.name is that of another video's file, or of a transcoded one", ErrInvalid)
	}
	return c.Upload.validate("upload")
}

func (f File) validate(field string) error {
	switch {
	case !IsName(f.Name):
		return fmt.Errorf("%w: %s.name has to have 1 to 100 letters, digits, dots, dashes and underscores, and begin with none of the last three", ErrInvalid, field)
	case f.Location != "" && ParseID(f.Location) != nil:
		return fmt.Errorf("%w: %s.location is not a UUID in lower case", ErrInvalid, field)
	case f.Bytes < 1:
		return fmt.Errorf("%w: %s.bytes has to be positive", ErrInvalid, field)
	case len(f.SHA256) != 64 || strings.Trim(f.SHA256, "0123456789abcdef") != "":
		return fmt.Errorf("%w: %s.sha256 has to have 64 hexadecimal digits", ErrInvalid, field)
	}
	return nil
}

// IsName reports whether name is one of a file: never a path, hidden or an option.
func IsName(name string) bool {
	if name == "" || len(name) > 100 || strings.ContainsAny(name[:1], ".-_") {
		return false
	}
	for _, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune(".-_", r) {
			return false
		}
	}
	return true
}
