package ops

import (
	"context"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"orderflow/internal/config"
	"orderflow/internal/version"
)

// NewLogger returns the logger of a daemon. Each line ends with the binary's name and
// version, and with the ids of the span in its context, if there is one.
func NewLogger(l config.Log, w io.Writer, service string) *slog.Logger {
	return slog.New(logHandler{Handler: l.Logger(w).Handler(), build: []slog.Attr{
		slog.String("service", service), slog.String("version", version.Read().Version),
	}})
}

// logHandler adds to each line what finds it among those of other programs.
type logHandler struct {
	slog.Handler
	build []slog.Attr
}

// Handle adds the attributes to a line.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	r.AddAttrs(h.build...)
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler that adds to the lines of the one with more attributes.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// WithGroup returns a handler that adds to the lines of the one with a group.
func (h logHandler) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}
