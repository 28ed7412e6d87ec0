package ops

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
)

// Metrics is where everything a binary measures comes together. Our own counters register with Registry; what speaks
// OpenTelemetry, such as the Temporal SDK, takes Meter. Both come out of /metrics.
type Metrics struct {
	Registry *prometheus.Registry
	Provider *sdkmetric.MeterProvider
}

// NewMetrics makes an empty registry with the process's and Go's own metrics, and a meter provider that exports into it.
// The service is the binary's name.
func NewMetrics(service string) (*Metrics, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	// Without scope info, as the scope would be a label on every series of the SDK and say the same everywhere.
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("export metrics: %w", err)
	}
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(exporter),
		sdkmetric.WithResource(resource.NewSchemaless(semconv.ServiceName(service))),
		sdkmetric.WithView(secondsView()),
	)
	return &Metrics{Registry: registry, Provider: provider}, nil
}

// Meter gives a meter, named for what measures with it.
func (m *Metrics) Meter(name string) metric.Meter { return m.Provider.Meter(name) }

// secondsView gives timers buckets that fit both ends: a call of milliseconds and an order that waits for a day. The
// default buckets are made for milliseconds and would put everything we time into the first.
func secondsView() sdkmetric.View {
	return sdkmetric.NewView(
		sdkmetric.Instrument{Kind: sdkmetric.InstrumentKindHistogram, Unit: "s"},
		sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{
			Boundaries: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 86400},
		}},
	)
}
