package projection

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"orderflow/internal/kurrent"
)

// Metrics are the projector's counters and gauges.
type Metrics struct {
	events     prometheus.Counter
	refused    prometheus.Counter
	lag        prometheus.Gauge
	lagSeconds prometheus.Gauge
	leader     prometheus.Gauge
	retries    *prometheus.CounterVec

	mu     sync.Mutex
	at     time.Time // when a batch was last stored
	behind time.Time // since when the view was behind, at the latest, by the last measurement
	upOnce bool      // the view was up to date at least once
}

// The work that is repeated after a failure, as it is counted.
const (
	RetryFollow   = "follow"   // following the log and storing the view
	RetryLag      = "lag"      // measuring how far the view is behind
	RetryCategory = "category" // measuring how far a category's stream is behind
)

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
		lagSeconds: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "orderflow_projector_lag_seconds", Help: "Age of the oldest event that is not applied to the view, 0 if there is none. While it cannot be measured, the longest that it can be.",
		}),
		leader: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "orderflow_projector_leader", Help: "1 in the replica that writes the view, else 0.",
		}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orderflow_projector_retries_total", Help: "Failed attempts that are repeated, by what is repeated.",
		}, []string{"work"}),
	}
	for _, work := range []string{RetryFollow, RetryLag, RetryCategory} {
		m.retries.WithLabelValues(work)
	}
	registry.MustRegister(m.events, m.refused, m.lag, m.lagSeconds, m.leader, m.retries)
	return m
}

// CountRetry counts a failed attempt that is repeated.
func (m *Metrics) CountRetry(work string) { m.retries.WithLabelValues(work).Inc() }

func (m *Metrics) setLag(behind kurrent.Pending) {
	m.lag.Set(float64(behind.Count))
	since, age := time.Now(), 0.0
	if behind.Count > 0 {
		since = behind.Oldest
		age = max(0, time.Since(since).Seconds()) // the server's clock may be ahead
	}
	m.lagSeconds.Set(age)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.behind = since
}

// startLag begins the time for which the lag is unknown.
func (m *Metrics) startLag() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.behind = time.Now()
}

// setLagUnknown exports the longest that the view may be behind: it may have lacked events
// since the last measurement.
func (m *Metrics) setLagUnknown() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lagSeconds.Set(max(0, time.Since(m.behind).Seconds()))
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
