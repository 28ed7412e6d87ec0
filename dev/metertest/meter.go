// Package metertest reads the metrics of OpenTelemetry in tests. It keeps what a
// component has measured, and exports nothing.
package metertest

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Meter is a meter provider whose integer sums can be read.
type Meter struct {
	*metric.MeterProvider
	reader *metric.ManualReader
}

// New returns a meter that has measured nothing.
func New() *Meter {
	reader := metric.NewManualReader()
	return &Meter{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)), reader: reader}
}

// Value returns the sum of an instrument whose one attribute has the value, or that has
// no attribute if value is empty. It returns -1 if nothing was measured.
func (m *Meter) Value(name, value string) int {
	var all metricdata.ResourceMetrics
	if err := m.reader.Collect(context.Background(), &all); err != nil {
		return -1
	}
	for _, scope := range all.ScopeMetrics {
		for _, instrument := range scope.Metrics {
			sum, ok := instrument.Data.(metricdata.Sum[int64])
			if !ok || instrument.Name != name {
				continue
			}
			for _, point := range sum.DataPoints {
				if matches(point.Attributes, value) {
					return int(point.Value)
				}
			}
		}
	}
	return -1
}

func matches(attributes attribute.Set, value string) bool {
	if value == "" {
		return attributes.Len() == 0
	}
	only, ok := attributes.Get(0)
	return ok && only.Value.AsString() == value
}
