package bridge

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"orderflow/internal/correlation"
)

// contentTypeJSON is the content type of an event whose data the server takes for JSON.
const contentTypeJSON = "application/json"

// Event is an event as stored in its stream.
type Event struct {
	ID          uuid.UUID
	Stream      string
	Revision    uint64 // its position in the stream, from 0
	Type        string
	ContentType string // application/json or application/octet-stream
	Data        []byte
	Metadata    []byte
	Created     time.Time // when the server wrote it, UTC
}

// Decode decodes the event's data, which must be JSON, into a value. It returns a
// ParkError, so a route can return its error as it is. The error says where the data is
// wrong, and quotes none of it.
func (e Event) Decode(into any) error {
	if e.ContentType != contentTypeJSON {
		return Park("%s: the content type is not %s", ReasonInvalid, contentTypeJSON)
	}
	if err := json.Unmarshal(e.Data, into); err != nil {
		return Park("%s: %s", ReasonInvalid, describeJSONError(err))
	}
	return nil
}

// describeJSONError describes an error without the value that caused it.
func describeJSONError(err error) string {
	switch err := err.(type) { //nolint:errorlint // the decoder wraps neither of them
	case *json.UnmarshalTypeError:
		kind, _, _ := strings.Cut(err.Value, " ") // "number 12" would quote the event
		return fmt.Sprintf("%s: must not be of type %s", cmp.Or(err.Field, "data"), kind)
	case *json.SyntaxError:
		return fmt.Sprintf("the data is not JSON at byte %d", err.Offset)
	default:
		return "the data does not fit"
	}
}

// Trace is what the event's metadata says about what led to it.
type Trace struct {
	CorrelationID string // $correlationId, KurrentDB's convention; empty if there is none, or one that could hold more than an id
	Traceparent   string // W3C trace context, from traceparent or KurrentDB's $traceId and $spanId; empty if there is no valid one
}

// Trace returns the ids of the event's metadata.
func (e Event) Trace() Trace {
	return Trace(correlation.Decode(e.Metadata))
}

// context returns ctx with the event's trace context as that of its caller.
func (e Event) context(ctx context.Context) context.Context {
	return correlation.Decode(e.Metadata).Context(ctx)
}
