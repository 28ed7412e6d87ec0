package bridge

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"orderflow/internal/kurrent"
)

// maxSampleAge is how long a value is exported after it was read. An older one would hide
// that nothing is known.
const maxSampleAge = time.Minute

// source is what the state of a group is read from.
type source string

const (
	sourceGroup      source = "group"
	sourceParked     source = "parked"
	sourceProjection source = "projection"
)

// groupMetrics are the state of the group and of what fills its stream. They are read from
// the server at intervals, also while the bridge has not joined, so every bridge of the
// group exports the same. A value that could not be read is absent, not zero.
type groupMetrics struct {
	lagEvents, lagSeconds, inFlight, consumers, parked, projection metric.Float64ObservableGauge

	failures metric.Int64Counter
	provider metric.Meter
	group    metric.MeasurementOption // the attributes of the gauges, except for the projection's

	mu      sync.Mutex
	samples map[metric.Float64Observable]sample
	failing map[source]string // the error that was logged last
}

type sample struct {
	value float64
	at    time.Time
}

func newGroupMetrics(meter metric.Meter, s Subscription) (*groupMetrics, error) {
	m := &groupMetrics{
		provider: meter, samples: map[metric.Float64Observable]sample{}, failing: map[source]string{},
		group: metric.WithAttributes(attribute.String("stream", s.Stream), attribute.String("group", s.Group)),
	}
	var faults []error
	gauge := func(name, help string) metric.Float64ObservableGauge {
		g, err := meter.Float64ObservableGauge(name, metric.WithDescription(help))
		faults = append(faults, err)
		return g
	}
	m.lagEvents = gauge("orderflow_bridge_group_lag_events", "Events of the stream above the group's checkpoint.")
	m.lagSeconds = gauge("orderflow_bridge_group_lag_seconds", "Age of the oldest event that the group has not finished, 0 if there is none.")
	m.inFlight = gauge("orderflow_bridge_group_in_flight_events", "Events that were sent to a consumer and are not acknowledged.")
	m.consumers = gauge("orderflow_bridge_group_consumers", "Consumers that have joined the group.")
	m.parked = gauge("orderflow_bridge_parked_events", "Events in the group's parked stream.")
	m.projection = gauge("orderflow_bridge_projection_running", "1 while the projection that fills the stream runs, else 0.")
	failures, err := meter.Int64Counter("orderflow_bridge_group_read_failures",
		metric.WithDescription("Failed reads of the group's state, by what was read."))
	m.failures = failures
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	for _, from := range []source{sourceGroup, sourceParked, sourceProjection} {
		m.countFailure(from, 0)
	}
	return m, nil
}

func (m *groupMetrics) countFailure(from source, n int64) {
	m.failures.Add(context.Background(), n, metric.WithAttributes(attribute.String("source", string(from))))
}

func (m *groupMetrics) set(gauge metric.Float64Observable, value float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples[gauge] = sample{value, time.Now()}
}

// export exports the samples until the returned function is called.
func (m *groupMetrics) export() (end func(), err error) {
	registered, err := m.provider.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		for gauge, s := range m.samples {
			if time.Since(s.at) > maxSampleAge {
				continue
			}
			attributes := m.group
			if gauge == m.projection {
				attributes = metric.WithAttributes(attribute.String("projection", kurrent.ByCategory))
			}
			o.ObserveFloat64(gauge, s.value, attributes)
		}
		return nil
	}, m.lagEvents, m.lagSeconds, m.inFlight, m.consumers, m.parked, m.projection)
	if err != nil {
		return nil, err
	}
	return func() { _ = registered.Unregister() }, nil // it was registered
}

// measure reads and exports the state of the group until ctx ends.
func (b *Bridge) measure(ctx context.Context) {
	if _, discards := b.o.MeterProvider.(metricnoop.MeterProvider); discards {
		return
	}
	end, err := b.state.export()
	if err != nil {
		b.o.Logger.Error("the group's state is not exported", "error", err)
		return
	}
	defer end()
	ticker := time.NewTicker(b.o.MeasureInterval)
	defer ticker.Stop()
	for {
		b.measureOnce(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (b *Bridge) measureOnce(ctx context.Context) {
	b.note(ctx, sourceGroup, b.measureGroup(ctx))
	b.note(ctx, sourceParked, b.measureParked(ctx))
	if strings.HasPrefix(b.o.Subscription.Stream, categoryStream) {
		b.note(ctx, sourceProjection, b.measureProjection(ctx))
	}
}

// note counts a failed read, and logs it unless the last one failed in the same way.
func (b *Bridge) note(ctx context.Context, from source, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	seen := b.state.failing[from]
	b.state.failing[from] = text
	if err == nil || ctx.Err() != nil {
		return
	}
	b.state.countFailure(from, 1)
	if text != seen {
		b.o.Logger.Warn("reading the group's state failed", "source", from, "error", err)
	}
}

func (b *Bridge) measureGroup(ctx context.Context) error {
	s, g := b.o.Subscription, b.state
	info, err := b.events.GroupInfo(ctx, s.Stream, s.Group)
	switch {
	case errors.Is(err, kurrent.ErrNotFound): // the next session creates it
		return nil
	case err != nil:
		return err
	}
	g.set(g.inFlight, float64(info.InFlight))
	g.set(g.consumers, float64(info.Consumers))
	if s.Stream == All { // its lag is in bytes
		return nil
	}
	since, err := b.events.PendingSince(ctx, s.Stream, info)
	if err != nil {
		return err
	}
	g.set(g.lagEvents, float64(info.Lag))
	g.set(g.lagSeconds, age(since))
	return nil
}

// age returns how long ago a time was, in seconds: 0 for the zero time, and for one that is
// ahead on a server's clock.
func age(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return max(0, time.Since(at).Seconds())
}

func (b *Bridge) measureParked(ctx context.Context) error {
	first, last, found, err := b.events.ParkedRange(ctx, b.o.Subscription.Stream, b.o.Subscription.Group)
	if err != nil {
		return err
	}
	parked := 0.0
	if found {
		parked = float64(last - first + 1)
	}
	b.state.set(b.state.parked, parked)
	return nil
}

func (b *Bridge) measureProjection(ctx context.Context) error {
	status, err := b.events.Projection(ctx, kurrent.ByCategory)
	if err != nil {
		return err
	}
	running := 0.0
	if status == kurrent.ProjectionRunning {
		running = 1
	}
	b.state.set(b.state.projection, running)
	return nil
}
