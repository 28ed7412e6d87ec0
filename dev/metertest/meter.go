// Package metertest reads the metrics of OpenTelemetry in tests. It keeps what a
// component has measured, and exports nothing.
package metertest

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Meter is a meter provider whose values can be read.
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
	if sum, ok := m.data(name).(metricdata.Sum[int64]); ok {
		for _, point := range sum.DataPoints {
			if matches(point.Attributes, value) {
				return int(point.Value)
			}
		}
	}
	return -1
}

// Gauge returns the value of a gauge, whatever its attributes. It returns -1 if it has
// none.
func (m *Meter) Gauge(name string) float64 {
	if gauge, ok := m.data(name).(metricdata.Gauge[float64]); ok && len(gauge.DataPoints) > 0 {
		return gauge.DataPoints[0].Value
	}
	return -1
}

// Recorded returns how often a histogram whose one attribute has the value was recorded.
func (m *Meter) Recorded(name, value string) int {
	if histogram, ok := m.data(name).(metricdata.Histogram[float64]); ok {
		for _, point := range histogram.DataPoints {
			if matches(point.Attributes, value) {
				return int(point.Count)
			}
		}
	}
	return 0
}

// Sum returns the sum of an instrument over all that has these attributes, and maybe others.
func (m *Meter) Sum(name string, attributes ...attribute.KeyValue) int {
	sum, ok := m.data(name).(metricdata.Sum[int64])
	if !ok {
		return 0
	}
	total := 0
	for _, point := range sum.DataPoints {
		if hasAll(point.Attributes, attributes) {
			total += int(point.Value)
		}
	}
	return total
}

func hasAll(set attribute.Set, attributes []attribute.KeyValue) bool {
	for _, want := range attributes {
		if value, ok := set.Value(want.Key); !ok || value != want.Value {
			return false
		}
	}
	return true
}

// Histogram returns how many values a histogram has recorded, and their sum, whatever
// their attributes.
func (m *Meter) Histogram(name string) (count int, sum float64) {
	if histogram, ok := m.data(name).(metricdata.Histogram[float64]); ok {
		for _, point := range histogram.DataPoints {
			count, sum = count+int(point.Count), sum+point.Sum
		}
	}
	return count, sum
}

// data returns what an instrument has measured, or nil.
func (m *Meter) data(name string) metricdata.Aggregation {
	var all metricdata.ResourceMetrics
	if err := m.reader.Collect(context.Background(), &all); err != nil {
		return nil
	}
	for _, scope := range all.ScopeMetrics {
		for _, instrument := range scope.Metrics {
			if instrument.Name == name {
				return instrument.Data
			}
		}
	}
	return nil
}

func matches(attributes attribute.Set, value string) bool {
	if value == "" {
		return attributes.Len() == 0
	}
	only, ok := attributes.Get(0)
	return ok && only.Value.AsString() == value
}
