package main

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the projector counts.
type metrics struct {
	events  prometheus.Counter
	refused prometheus.Counter
	lag     prometheus.Gauge

	mu     sync.Mutex
	at     time.Time // when something was stored last
	upOnce bool      // it was up to date at least once
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "orderflow_projector_events_total", Help: "Events of the log that are in the view.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "orderflow_projector_refused_total", Help: "Changes that the database does not take and that were left out.",
		}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "orderflow_projector_lag_events", Help: "Events of the log that are not in the view yet, counted up to 10000.",
		}),
	}
	registry.MustRegister(m.events, m.refused, m.lag)
	return m
}

func (m *metrics) stored(b batch) {
	m.events.Add(float64(b.events))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = time.Now()
}

func (m *metrics) storedAt() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at
}

func (m *metrics) caughtUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.upOnce = true
}

func (m *metrics) wasUp() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.upOnce
}
