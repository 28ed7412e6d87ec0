package tracing

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// scrubber exports spans without what may identify a person or quote one: the texts of
// errors, and what a browser says about itself and its user. Instrumentation of others
// adds these, and a later version may add more of them.
type scrubber struct{ sdktrace.SpanExporter }

// ExportSpans exports the spans without personal data.
func (s scrubber) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	clean := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, span := range spans {
		clean[i] = scrubbedSpan{span}
	}
	return s.SpanExporter.ExportSpans(ctx, clean)
}

type scrubbedSpan struct{ sdktrace.ReadOnlySpan }

// Attributes returns the attributes that cannot hold personal data.
func (s scrubbedSpan) Attributes() []attribute.KeyValue { return scrub(s.ReadOnlySpan.Attributes()) }

// Status returns the code alone: a description is the text of an error.
func (s scrubbedSpan) Status() sdktrace.Status {
	return sdktrace.Status{Code: s.ReadOnlySpan.Status().Code}
}

// Events returns the events without the texts of errors.
func (s scrubbedSpan) Events() []sdktrace.Event {
	events := slices.Clone(s.ReadOnlySpan.Events())
	for i := range events {
		events[i].Attributes = scrub(events[i].Attributes)
	}
	return events
}

func scrub(attributes []attribute.KeyValue) []attribute.KeyValue {
	return slices.DeleteFunc(slices.Clone(attributes), func(a attribute.KeyValue) bool {
		switch a.Key {
		case "exception.message", "exception.stacktrace",
			"client.address", "client.port", "network.peer.address", "network.peer.port", "user_agent.original",
			"url.full", "url.path", "url.query": // a search may be for a name
			return true
		default:
			return false
		}
	})
}
