package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	metricsLease  = "metrics"
	leaseSource   = "lease"          // of a failure to hold it
	leaseDuration = time.Minute      // for this long there are no samples after its holder was killed
	countEvery    = 15 * time.Second // also renews the lease, which outlasts three failures
	countTimeout  = 10 * time.Second // of one source; below the time a renewal can wait
	maxSampleAge  = time.Minute      // older counts are not exported
)

// leaseStore grants a lease to one holder at a time, by a clock shared by all.
type leaseStore interface {
	HoldLease(ctx context.Context, name, holder string, life time.Duration) (bool, error)
	ReleaseLease(ctx context.Context, name, holder string) error
}

// globalCount is a metric that has the same value whichever worker counts it.
type globalCount struct {
	name  string // of the source, for the failure metric
	desc  *prometheus.Desc
	count func(context.Context) (map[string]int64, error) // by the value of the metric's only label; by "" if it has none
}

// globalMetrics exports the global counts from the one worker that holds the lease, so
// that a sum over all workers is right and a scrape costs the stores nothing. A count
// that could not be read is absent, not zero.
type globalMetrics struct {
	leases leaseStore
	holder string // unique to this process
	counts []globalCount
	logger *slog.Logger
	failed *prometheus.CounterVec

	mu        sync.Mutex
	heldUntil time.Time
	samples   map[string]sample // by the count's name
}

// sample is the value of a count at a time.
type sample struct {
	at     time.Time
	values map[string]int64
}

func newGlobalMetrics(leases leaseStore, counts []globalCount, registry prometheus.Registerer, logger *slog.Logger) *globalMetrics {
	m := &globalMetrics{
		leases: leases, holder: uuid.NewString(), counts: counts, logger: logger, samples: map[string]sample{},
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orderflow_global_count_failures_total",
			Help: "Failed attempts to hold the lease of the global metrics or to read one of them, by source.",
		}, []string{"source"}),
	}
	m.failed.WithLabelValues(leaseSource) // a series that starts at 0 can trigger an alert at its first failure
	for _, c := range counts {
		m.failed.WithLabelValues(c.name)
	}
	registry.MustRegister(m, m.failed)
	return m
}

func leaseDescription() *prometheus.Desc {
	return prometheus.NewDesc("orderflow_metrics_lease_held", "1 in the worker that exports the global metrics, else 0.", nil, nil)
}

// Describe sends the descriptions of the lease's metric and of the counts.
func (m *globalMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- leaseDescription()
	for _, c := range m.counts {
		descriptions <- c.desc
	}
}

// Collect sends the latest samples, without a call to any store.
func (m *globalMetrics) Collect(metrics chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, held := time.Now(), 0.0
	if now.Before(m.heldUntil) {
		held = 1
	}
	metrics <- prometheus.MustNewConstMetric(leaseDescription(), prometheus.GaugeValue, held)
	if held == 0 {
		return
	}
	for _, c := range m.counts {
		s, ok := m.samples[c.name]
		if !ok || now.Sub(s.at) > maxSampleAge {
			continue
		}
		for label, n := range s.values {
			labels := []string{label}
			if label == "" {
				labels = nil
			}
			metrics <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(n), labels...)
		}
	}
}

// run competes for the lease and counts while it holds it, until ctx ends. It then
// releases the lease, so that another worker may take it at once.
func (m *globalMetrics) run(ctx context.Context) {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		m.collectCounts(ctx)
		select {
		case <-ctx.Done():
			m.releaseLease(context.WithoutCancel(ctx))
			return
		case <-tick.C:
		}
	}
}

// collectCounts takes or renews the lease, and reads every count if this worker holds it.
func (m *globalMetrics) collectCounts(ctx context.Context) {
	if !m.holdLease(ctx) {
		return
	}
	for _, c := range m.counts {
		began := time.Now()
		counting, cancel := context.WithTimeout(ctx, countTimeout)
		values, err := c.count(counting)
		cancel()
		if err != nil {
			m.recordFailure(ctx, c.name, err)
			continue
		}
		m.mu.Lock()
		m.samples[c.name] = sample{at: began, values: values}
		m.mu.Unlock()
	}
}

// holdLease reports whether this worker holds the lease. If the store does not answer, it
// keeps the lease it had until that expires.
func (m *globalMetrics) holdLease(ctx context.Context) bool {
	asked := time.Now()
	held, err := m.leases.HoldLease(ctx, metricsLease, m.holder, leaseDuration)
	if err != nil {
		m.recordFailure(ctx, leaseSource, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil:
	case held:
		m.heldUntil = asked.Add(leaseDuration)
	default:
		m.heldUntil = time.Time{}
		clear(m.samples)
	}
	return time.Now().Before(m.heldUntil)
}

func (m *globalMetrics) recordFailure(ctx context.Context, source string, err error) {
	if ctx.Err() != nil {
		return // the worker is stopping, so the error is expected
	}
	m.failed.WithLabelValues(source).Inc()
	m.logger.Warn("reading global metrics failed", "source", source, "error", err)
}

// releaseLease releases the lease, if this worker may hold it.
func (m *globalMetrics) releaseLease(ctx context.Context) {
	m.mu.Lock()
	held := !m.heldUntil.IsZero()
	m.heldUntil = time.Time{}
	m.mu.Unlock()
	if !held {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := m.leases.ReleaseLease(ctx, metricsLease, m.holder); err != nil {
		m.logger.Warn("releasing the lease failed", "error", err)
	}
}
