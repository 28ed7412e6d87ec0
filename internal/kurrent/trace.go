package kurrent

import (
	"encoding/json"
	"regexp"
)

// Trace is what an event's metadata says about what led to the event. It follows
// KurrentDB's convention: the correlation id is shared by all events with one origin, and
// the causation id names the event that led to this one.
type Trace struct {
	CorrelationID string `json:"$correlationId"`
	CausationID   string `json:"$causationId,omitempty"`
	Traceparent   string `json:"traceparent,omitempty"` // W3C trace context
}

// Metadata returns the metadata of an event to append.
func (t Trace) Metadata() []byte {
	metadata, _ := json.Marshal(t) // strings always marshal
	return metadata
}

// Trace returns the correlation id and the traceparent of the event. The producer
// controls the metadata: what is unreadable, or could hold more than an id, is left out.
func (e Event) Trace() Trace {
	var metadata struct {
		CorrelationID string `json:"$correlationId"`
		Traceparent   string `json:"traceparent"`
	}
	if json.Unmarshal(e.Metadata, &metadata) != nil {
		return Trace{}
	}
	var t Trace
	if correlationPattern.MatchString(metadata.CorrelationID) {
		t.CorrelationID = metadata.CorrelationID
	}
	if ValidTraceparent(metadata.Traceparent) {
		t.Traceparent = metadata.Traceparent
	}
	return t
}

// ValidTraceparent reports whether s is a W3C trace context.
func ValidTraceparent(s string) bool { return traceparentPattern.MatchString(s) }

var (
	correlationPattern = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)
	traceparentPattern = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
)
