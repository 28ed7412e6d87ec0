// Package correlation owns what an event's metadata says about what led to the event: the
// correlation id and the trace context of its producer. It decodes them, bounds them, and
// encodes them for the events that we write. It is pure. The stores keep what it returns.
package correlation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// Trace identifies what led to an event. All that is written about one order has that of
// its order-placed event. The JSON is part of workflow inputs and must not change.
type Trace struct {
	CorrelationID string `json:"correlationId,omitempty"` // 1 to 128 letters, digits and ._:-, or empty
	Traceparent   string `json:"traceparent,omitempty"`   // W3C trace context, version 00, or empty
}

// metadata are the members of an event's metadata. The first two are KurrentDB's
// convention, and its clients write and read $traceId and $spanId for tracing.
type metadata struct {
	CorrelationID string `json:"$correlationId,omitempty"`
	CausationID   string `json:"$causationId,omitempty"`
	Traceparent   string `json:"traceparent,omitempty"`
	TraceID       string `json:"$traceId,omitempty"`
	SpanID        string `json:"$spanId,omitempty"`
}

// Decode returns the trace of an event's metadata. The producer controls the metadata:
// what is unreadable, or could hold more than an id, is left out. A traceparent takes
// precedence over KurrentDB's $traceId and $spanId.
func Decode(data []byte) Trace {
	var m metadata
	if err := json.Unmarshal(data, &m); err != nil {
		if _, mistyped := errors.AsType[*json.UnmarshalTypeError](err); !mistyped { // then the other members are decoded
			return Trace{}
		}
	}
	t := Trace{CorrelationID: m.CorrelationID, Traceparent: m.Traceparent}.Valid()
	if t.Traceparent == "" {
		// The clients write the ids of recorded spans alone, so the flag is set.
		t.Traceparent = Trace{Traceparent: "00-" + m.TraceID + "-" + m.SpanID + "-01"}.Valid().Traceparent
	}
	return t
}

// Valid returns t without what is not valid.
func (t Trace) Valid() Trace {
	if !correlationPattern.MatchString(t.CorrelationID) {
		t.CorrelationID = ""
	}
	if !ValidTraceparent(t.Traceparent) {
		t.Traceparent = ""
		return t
	}
	t.Traceparent = withKnownFlags(t.Traceparent)
	return t
}

// withKnownFlags clears the flags of a valid traceparent that its version does not define.
// They are to be ignored, but OpenTelemetry's propagator rejects a traceparent with one.
func withKnownFlags(traceparent string) string {
	ids, flags := traceparent[:len(traceparent)-2], traceparent[len(traceparent)-2:]
	set, _ := strconv.ParseUint(flags, 16, 8) // the pattern has found digits
	return ids + fmt.Sprintf("%02x", set&knownFlags)
}

// Metadata returns the metadata of an event to append: the trace, and the id of the event
// that caused it, which may be empty. It has the trace also as KurrentDB's clients write
// it if the span is recorded. They have no flag, and take any span for a recorded one.
func (t Trace) Metadata(causationID string) []byte {
	m := metadata{CorrelationID: t.CorrelationID, CausationID: causationID, Traceparent: t.Traceparent}
	if trace.SpanContextFromContext(t.Context(context.Background())).IsSampled() {
		ids := strings.Split(t.Traceparent, "-")
		m.TraceID, m.SpanID = ids[1], ids[2]
	}
	data, _ := json.Marshal(m) // strings always marshal
	return data
}

// Or returns t, with the correlation id given if it has none.
func (t Trace) Or(correlationID string) Trace {
	if t.CorrelationID == "" {
		t.CorrelationID = correlationID
	}
	return t
}

// TraceID returns the traceparent's trace id, 32 hexadecimal digits, or "" if there is no
// valid traceparent.
func (t Trace) TraceID() string {
	if !ValidTraceparent(t.Traceparent) {
		return ""
	}
	return strings.Split(t.Traceparent, "-")[1]
}

// ValidTraceparent reports whether s is a W3C trace context of version 00: ids of zeros
// alone identify nothing.
func ValidTraceparent(s string) bool {
	return traceparentPattern.MatchString(s) && !strings.Contains(s, "-"+strings.Repeat("0", 32)+"-") &&
		!strings.Contains(s, "-"+strings.Repeat("0", 16)+"-")
}

// knownFlags are the flags of version 00: sampled and random.
const knownFlags = 0x03

var (
	correlationPattern = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)
	traceparentPattern = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
)
