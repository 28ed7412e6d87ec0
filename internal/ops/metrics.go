package ops

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"

	"orderflow/internal/version"
)

// Metrics holds all metrics of a binary. The product's own counters register with
// Registry. Code that uses OpenTelemetry, such as the Temporal SDK, takes Meter. Both are
// served at /metrics.
type Metrics struct {
	Registry *prometheus.Registry
	Provider *sdkmetric.MeterProvider
}

// NewMetrics returns a registry with only the metrics of the process and of Go, and a
// meter provider that exports into it. service is the binary's name.
func NewMetrics(service string) (*Metrics, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(version.Read()),
	)
	// Scope info would be a label on every series of the SDK, with the same value
	// everywhere.
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("export metrics: %w", err)
	}
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(exporter),
		sdkmetric.WithResource(resource.NewSchemaless(semconv.ServiceName(service))),
		sdkmetric.WithView(secondsView),
	)
	return &Metrics{Registry: registry, Provider: provider}, nil
}

// buildInfo is the metric that says which build runs, by its labels.
func buildInfo(b version.Build) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "orderflow_build_info", Help: "1, with the build that runs as labels.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "goversion": b.GoVersion},
	})
	info.Set(1)
	return info
}

// Meter returns a meter. name is the name of the code that measures with it.
func (m *Metrics) Meter(name string) metric.Meter { return m.Provider.Meter(name) }

// The buckets have the limits of the alerts in deploy/prometheus, because a quantile between
// two buckets is a guess.

// callBuckets are the buckets of timers in general, from a call of milliseconds to a task
// that waits for a day. The library's own are meant for milliseconds and would put every
// timer's values into the first.
var callBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 86400}

// waitBuckets are the buckets of what takes milliseconds or, with people or an outage in
// between, weeks: up to 30 days.
var waitBuckets = []float64{
	0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 4 * 3600, 12 * 3600,
	86400, 2 * 86400, 4 * 86400, 7 * 86400, 14 * 86400, 30 * 86400,
}

// workflowLatency is the SDK's timer of whole workflows. An order's waits for weeks.
const workflowLatency = "temporal_workflow_endtoend_latency"

// secondsView sets the buckets of timers. It is one view, because an instrument that two
// views match would be exported twice.
func secondsView(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	if i.Kind != sdkmetric.InstrumentKindHistogram || i.Unit != "s" {
		return sdkmetric.Stream{}, false
	}
	buckets := callBuckets
	if strings.HasPrefix(i.Name, "orderflow_") || i.Name == workflowLatency {
		buckets = waitBuckets
	}
	return sdkmetric.Stream{
		Name: i.Name, Description: i.Description, Unit: i.Unit,
		Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: buckets},
	}, true
}
