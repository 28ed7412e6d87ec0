package projection

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the projector's counters and gauges.
type Metrics struct {
	events  prometheus.Counter
	refused prometheus.Counter
	lag     prometheus.Gauge

	mu     sync.Mutex
	at     time.Time // when a batch was last stored
	upOnce bool      // the view was up to date at least once
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "orderflow_projector_events_total", Help: "Events of the log that were applied to the view.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "orderflow_projector_refused_total", Help: "Changes that the database rejected and that were skipped.",
		}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "orderflow_projector_lag_events", Help: "Events of the log not yet applied to the view, counted up to 10000.",
		}),
	}
	registry.MustRegister(m.events, m.refused, m.lag)
	return m
}

func (m *Metrics) stored(b batch) {
	m.events.Add(float64(b.events))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = time.Now()
}

func (m *Metrics) storedAt() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at
}

func (m *Metrics) caughtUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.upOnce = true
}

func (m *Metrics) hasCaughtUp() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.upOnce
}
