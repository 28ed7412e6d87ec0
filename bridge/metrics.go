package bridge

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// scope names the meter and the tracer.
const scope = "orderflow/bridge"

// metrics are the bridge's metrics. Prometheus shows the counters with the suffix _total.
type metrics struct {
	events, retries            metric.Int64Counter
	inFlight, waiting, blocked metric.Int64UpDownCounter
	results                    map[Result]metric.MeasurementOption // the attributes of events
}

// holder says who holds an event until it is tried again.
type holder string

const (
	heldByBridge holder = "bridge"
	heldByServer holder = "kurrentdb" // it was returned for redelivery
)

func newMetrics(provider metric.MeterProvider) (*metrics, error) {
	meter := provider.Meter(scope)
	var faults []error
	counter := func(name, help string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithDescription(help))
		faults = append(faults, err)
		return c
	}
	gauge := func(name, help string) metric.Int64UpDownCounter {
		g, err := meter.Int64UpDownCounter(name, metric.WithDescription(help))
		faults = append(faults, err)
		return g
	}
	m := &metrics{
		events:   counter("orderflow_bridge_events", "Completed events, by result."),
		retries:  counter("orderflow_bridge_retries", "Retries of events, by who holds the event in between."),
		inFlight: gauge("orderflow_bridge_in_flight", "Events taken from KurrentDB and not yet acknowledged."),
		waiting:  gauge("orderflow_bridge_waiting", "Events that wait, without holding up others, until they can take effect."),
		blocked:  gauge("orderflow_bridge_blocked", "1 while the bridge is not ready until an operator repairs this."),
		results:  map[Result]metric.MeasurementOption{},
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	for _, result := range Results() {
		m.results[result] = metric.WithAttributeSet(attribute.NewSet(attribute.String("result", string(result))))
	}
	m.startAtZero()
	return m, nil
}

// startAtZero creates every series: one that starts at 0 can trigger an alert at its
// first event.
func (m *metrics) startAtZero() {
	for _, result := range Results() {
		m.countEvents(result, 0)
	}
	for _, by := range []holder{heldByBridge, heldByServer} {
		m.countRetries(by, 0)
	}
	for _, by := range obstacleNames() {
		m.block(by, 0)
	}
	m.addInFlight(0)
	m.addWaiting(0)
}

func (m *metrics) countEvents(result Result, n int64) {
	m.events.Add(context.Background(), n, m.results[result])
}

func (m *metrics) countRetries(by holder, n int64) {
	m.retries.Add(context.Background(), n, metric.WithAttributes(attribute.String("held_by", string(by))))
}

func (m *metrics) block(by string, change int64) {
	m.blocked.Add(context.Background(), change, metric.WithAttributes(attribute.String("by", by)))
}

func (m *metrics) addInFlight(change int64) { m.inFlight.Add(context.Background(), change) }

func (m *metrics) addWaiting(change int64) { m.waiting.Add(context.Background(), change) }
