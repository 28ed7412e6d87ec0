package sampledata

// The content types an event of a file can have.
const (
	ContentTypeJSON   = "application/json"
	ContentTypeBinary = "application/octet-stream"
)

// Stream is some events that follow each other on one stream. The same stream may come again later and continues then.
type Stream struct {
	Name   string
	Events []Event
}

// Event is one event to append.
type Event struct {
	ID          string // a UUID
	Type        string
	ContentType string // ContentTypeJSON or ContentTypeBinary
	Data        []byte // as it is to be stored; not necessarily what its content type says
	Metadata    []byte // JSON, or nil when there is none
}
