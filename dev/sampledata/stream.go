package sampledata

// The content types that an event of a file can have.
const (
	ContentTypeJSON   = "application/json"
	ContentTypeBinary = "application/octet-stream"
)

// Stream is a sequence of events on one stream. The same stream may occur again later and
// then continues.
type Stream struct {
	Name   string
	Events []Event
}

// Event is one event to append.
type Event struct {
	ID          string // a UUID
	Type        string
	ContentType string // ContentTypeJSON or ContentTypeBinary
	Data        []byte // the bytes to store; they need not match the content type
	Metadata    []byte // JSON, or nil if there is none
}
