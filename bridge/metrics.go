package bridge

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"orderflow/internal/kurrent"
)

// scope names the meter and the tracer.
const scope = "orderflow/bridge"

// metrics are the bridge's metrics. Prometheus shows the counters with the suffix _total.
type metrics struct {
	events, retries, joins     metric.Int64Counter
	inFlight, waiting, blocked metric.Int64UpDownCounter
	delay                      metric.Float64Histogram
	results                    map[Result]metric.MeasurementOption // the attributes of events
	types                      map[string]metric.MeasurementOption // the attributes of delay, by the type of an event
}

// The values of the attribute of joins: what the bridge waits for.
const (
	waitKurrentDB = "kurrentdb"
	waitTemporal  = "temporal"
	waitOperator  = "operator"
)

// holder says who holds an event until it is tried again.
type holder string

const (
	heldByBridge holder = "bridge"
	heldByServer holder = "kurrentdb" // it was returned for redelivery
)

func newMetrics(meter metric.Meter, routes Routes) (*metrics, error) {
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
		joins:    counter("orderflow_bridge_join_retries", "Attempts to join the group that are repeated, by what they wait for."),
		inFlight: gauge("orderflow_bridge_in_flight", "Events taken from KurrentDB and not yet acknowledged."),
		waiting:  gauge("orderflow_bridge_waiting", "Events that wait, without holding up others, until they can take effect."),
		blocked:  gauge("orderflow_bridge_blocked", "Bridges of this process that are not ready until an operator repairs this."),
		results:  map[Result]metric.MeasurementOption{},
		types:    map[string]metric.MeasurementOption{},
	}
	delay, err := meter.Float64Histogram("orderflow_bridge_delay", metric.WithUnit("s"),
		metric.WithDescription("Time from when KurrentDB wrote an event to when it had started, signaled or updated its workflow, by the event's type."))
	m.delay = delay
	faults = append(faults, err)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	for _, result := range Results() {
		m.results[result] = metric.WithAttributeSet(attribute.NewSet(attribute.String("result", string(result))))
	}
	for eventType := range routes { // other types have no effect, so producers cannot add series
		m.types[eventType] = metric.WithAttributeSet(attribute.NewSet(attribute.String("type", eventType)))
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
	for _, what := range []string{waitKurrentDB, waitTemporal, waitOperator} {
		m.countJoinRetries(what, 0)
	}
	m.addInFlight(0)
	m.addWaiting(0)
}

func (m *metrics) countJoinRetries(waitsFor string, n int64) {
	m.joins.Add(context.Background(), n, metric.WithAttributes(attribute.String("waiting_for", waitsFor)))
}

// recordDelay records how long an event took to have its effect. Events that had none are
// not measured: they would hide how long the others take.
func (m *metrics) recordDelay(e *kurrent.Event, result Result) {
	if e == nil || result != Started && result != Signalled && result != Updated {
		return
	}
	if attributes, routed := m.types[e.Type]; routed { // not a link whose target was read later
		m.delay.Record(context.Background(), age(e.Created), attributes)
	}
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
