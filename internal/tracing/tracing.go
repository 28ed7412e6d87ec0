// Package tracing makes the tracer provider of a binary from the standard variables of
// OpenTelemetry. Without them there is no provider, no exporter and no goroutine. It owns
// what leaves the process in a span: no personal data. Which spans there are is left to
// the code that makes them.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"orderflow/internal/config"
	"orderflow/internal/version"
)

// flushTimeout bounds how long a binary that stops waits for its last spans to be
// exported. It is part of the seconds that a platform grants after SHUTDOWN_TIMEOUT.
const flushTimeout = 3 * time.Second

// exportDelay is how long a span that has ended waits for others to be exported with it,
// unless OTEL_BSP_SCHEDULE_DELAY is set. A process that is killed loses those that wait.
// One that began an order then loses the parent of the order's other spans, which other
// processes export. So it is less than the SDK's five seconds.
const exportDelay = time.Second

// Traces is where the spans of a binary go. It is safe for concurrent use.
type Traces struct {
	provider *sdktrace.TracerProvider // nil if tracing is off
}

// Open returns the traces of a binary. service is its name, which OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES override, in the form orderflow-worker. Open connects to
// nothing, and returns Traces even with an error: while the collector is unavailable,
// spans are dropped and logged as a warning.
func Open(ctx context.Context, service string, s config.Tracing, logger *slog.Logger) (*Traces, error) {
	if !s.On() || len(s.Validate()) > 0 {
		return &Traces{}, nil // the settings' faults are reported with the others
	}
	otel.SetErrorHandler(newErrorLog(logger))
	otel.SetLogger(logr.FromSlogHandler(logger.Handler())) // or the SDK writes lines of its own form
	exporter, err := newExporter(ctx, s)
	if err != nil {
		return &Traces{}, config.Invalid("OTEL_*", "%v", err)
	}
	about, err := describe(ctx, service)
	if err != nil {
		return &Traces{}, config.Invalid("OTEL_RESOURCE_ATTRIBUTES", "%v", err)
	}
	return &Traces{newProvider(exporter, about)}, nil
}

func newProvider(exporter sdktrace.SpanExporter, about *resource.Resource) *sdktrace.TracerProvider {
	var batching []sdktrace.BatchSpanProcessorOption
	if os.Getenv("OTEL_BSP_SCHEDULE_DELAY") == "" {
		batching = append(batching, sdktrace.WithBatchTimeout(exportDelay))
	}
	return sdktrace.NewTracerProvider(sdktrace.WithBatcher(scrubber{exporter}, batching...), sdktrace.WithResource(about))
}

func newExporter(ctx context.Context, s config.Tracing) (sdktrace.SpanExporter, error) {
	headers, err := s.HeaderMap()
	if err != nil {
		return nil, err
	}
	if s.GRPC() {
		return otlptracegrpc.New(ctx, otlptracegrpc.WithHeaders(headers))
	}
	return otlptracehttp.New(ctx, otlptracehttp.WithHeaders(headers))
}

func describe(ctx context.Context, service string) (*resource.Resource, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		semconv.ServiceName("orderflow-"+service), semconv.ServiceVersion(version.Read().Version),
		semconv.ServiceInstanceID(fmt.Sprintf("%s:%d", host, os.Getpid())),
	), resource.WithFromEnv())
}

// On reports whether spans are exported.
func (t *Traces) On() bool { return t.provider != nil }

// Provider returns the tracer provider, one that traces nothing if tracing is off.
func (t *Traces) Provider() trace.TracerProvider {
	if t.provider == nil {
		return noop.NewTracerProvider()
	}
	return t.provider
}

// Flush exports the last spans, for three seconds at most. No span is exported after it.
func (t *Traces) Flush() {
	if t.provider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(err)
	}
}
