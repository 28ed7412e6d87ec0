package tracing

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestTraces_ExportDelay(t *testing.T) {
	for name, c := range map[string]struct {
		setting string
		want    time.Duration
	}{
		"a second, unless it is set": {"", time.Second},
		"as it is set":               {"7000", 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_BSP_SCHEDULE_DELAY", c.setting)
			synctest.Test(t, func(t *testing.T) {
				exporter := tracetest.NewInMemoryExporter()
				provider := newProvider(exporter, resource.Empty())
				defer func() { require.NoError(t, provider.Shutdown(context.Background())) }()
				_, span := provider.Tracer("").Start(t.Context(), "process order-placed")
				span.End()
				began := time.Now()
				for synctest.Wait(); len(exporter.GetSpans()) == 0; synctest.Wait() {
					<-time.After(100 * time.Millisecond)
				}
				require.Equal(t, c.want, time.Since(began))
			})
		})
	}
}
