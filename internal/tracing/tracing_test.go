package tracing_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"orderflow/internal/config"
	"orderflow/internal/tracing"
)

func open(t *testing.T, s config.Tracing, log io.Writer) *tracing.Traces {
	t.Helper()
	traces, err := tracing.Open(t.Context(), "worker", s, slog.New(slog.NewTextHandler(log, nil)))
	require.NoError(t, err)
	return traces
}

// receiver is a collector that keeps the requests that it receives.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	requests chan *collector.ExportTraceServiceRequest
}

func (r receiver) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.requests <- request
	return &collector.ExportTraceServiceResponse{}, nil
}

func newReceiver() receiver {
	return receiver{requests: make(chan *collector.ExportTraceServiceRequest, 10)}
}

// byHTTP returns the URL at which the receiver serves HTTP.
func (r receiver) byHTTP(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, h *http.Request) {
		body, err := io.ReadAll(h.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(body, &request) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.requests <- &request
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// byGRPC returns the URL at which the receiver serves gRPC.
func (r receiver) byGRPC(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, r)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return "http://" + listener.Addr().String()
}

func (r receiver) span() (span *otlp.Span, text string) {
	request := <-r.requests
	return request.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0], prototext.Format(request)
}

func TestTraces_Off(t *testing.T) {
	before := goleak.IgnoreCurrent()
	for _, s := range []config.Tracing{{}, {Exporter: "none", Endpoint: "http://localhost:4318"}, {Disabled: true, Exporter: "otlp"}} {
		traces := open(t, s, io.Discard)
		require.False(t, traces.On())
		_, span := traces.Provider().Tracer("").Start(t.Context(), "step")
		require.False(t, span.IsRecording())
		goleak.VerifyNone(t, before)
		traces.Flush()
	}
}

func TestTraces_Export(t *testing.T) {
	for protocol, url := range map[string]func(receiver, *testing.T) string{"http/protobuf": receiver.byHTTP, "grpc": receiver.byGRPC} {
		t.Run(protocol, func(t *testing.T) {
			r := newReceiver()
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url(r, t))
			traces := open(t, config.Tracing{Exporter: "otlp", Protocol: protocol}, io.Discard)
			_, span := traces.Provider().Tracer("").Start(t.Context(), "step")
			span.End()
			traces.Flush()
			got, text := r.span()
			require.Equal(t, "step", got.GetName())
			require.Contains(t, text, `"orderflow-worker"`)
		})
	}
}

func TestTraces_ExportWithoutPersonalData(t *testing.T) {
	r := newReceiver()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.byHTTP(t))
	traces := open(t, config.Tracing{Exporter: "otlp"}, io.Discard)
	_, span := traces.Provider().Tracer("").Start(t.Context(), "step", trace.WithAttributes(
		attribute.String("client.address", "canary"), attribute.String("url.query", "q=canary"), attribute.String("order", "order-1")))
	span.RecordError(errors.New("canary@example.com is not verified"), trace.WithStackTrace(true))
	span.SetStatus(codes.Error, "canary")
	span.End()
	traces.Flush()
	got, text := r.span()
	require.NotContains(t, text, "canary")
	require.Contains(t, text, "order-1")
	require.Equal(t, otlp.Status_STATUS_CODE_ERROR, got.GetStatus().GetCode())
	require.Len(t, got.GetEvents(), 1)
}

// What the SDK reports about its variables is a line of the log like any other, so that a
// program that reads JSON can read it.
func TestTraces_ReportsOfTheSDK(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", filepath.Join(t.TempDir(), "ca.pem"))
	var log bytes.Buffer
	open(t, config.Tracing{Exporter: "otlp"}, &log).Flush()
	require.Contains(t, log.String(), "level=ERROR")
	require.Contains(t, log.String(), "ca.pem")
}

// A collector that accepts connections and never replies holds up neither the program nor,
// for more than a moment, its end: Flush would wait for ten seconds and repeat the export
// for a minute.
func TestTraces_SilentCollector(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+listener.Addr().String())
	var log bytes.Buffer
	traces := open(t, config.Tracing{Exporter: "otlp"}, &log)
	tracer := traces.Provider().Tracer("")
	for range 100_000 { // many times what the queue holds
		_, span := tracer.Start(t.Context(), "step")
		span.End()
	}
	traces.Flush()
	require.Contains(t, log.String(), "exporting traces failed")
}
