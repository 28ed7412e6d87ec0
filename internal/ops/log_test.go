package ops_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"orderflow/internal/config"
	"orderflow/internal/ops"
	"orderflow/internal/version"
)

func TestNewLogger(t *testing.T) {
	t.Parallel()
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	traced := trace.ContextWithSpanContext(t.Context(), span)
	for name, c := range map[string]struct {
		ctx   context.Context
		trace bool
	}{
		"each line has the service and its version":     {t.Context(), false},
		"a line within a span has the ids of the trace": {traced, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			logger := ops.NewLogger(config.Log{Format: config.LogJSON}, &out, "baker").With("order", "order-1")
			logger.InfoContext(c.ctx, "bread baked", "loaves", 3)
			logger.DebugContext(c.ctx, "not at this level")
			want := map[string]any{
				"level": "INFO", "msg": "bread baked", "order": "order-1", "loaves": 3.0,
				"service": "baker", "version": version.Read().Version,
			}
			if c.trace {
				want["trace_id"], want["span_id"] = span.TraceID().String(), span.SpanID().String()
			}
			var line map[string]any
			require.NoError(t, json.Unmarshal(out.Bytes(), &line), out.String())
			delete(line, slog.TimeKey)
			require.Equal(t, want, line)
		})
	}
}
