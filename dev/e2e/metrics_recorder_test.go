package e2e_test

import (
	"sync"
	"time"

	"go.temporal.io/sdk/client"
)

// metricsRecorder counts the counters of a steppedWorker's workflows. As usual, replays
// are not counted.
type metricsRecorder struct {
	tags   map[string]string
	counts *counts
}

type counts struct {
	mu sync.Mutex
	by map[string]int64 // "name tag", with the tag that identifies the step or signal
}

func newMetricsRecorder() *metricsRecorder {
	return &metricsRecorder{counts: &counts{by: map[string]int64{}}}
}

// WithTags returns a handler for metrics with these tags.
func (m *metricsRecorder) WithTags(tags map[string]string) client.MetricsHandler {
	return &metricsRecorder{tags: tags, counts: m.counts}
}

// Counter returns a counter for the name and its step or signal.
func (m *metricsRecorder) Counter(name string) client.MetricsCounter {
	return counter{key: name + " " + m.tags["step"] + m.tags["signal"], counts: m.counts}
}

// Gauge and Timer discard their values.
func (m *metricsRecorder) Gauge(string) client.MetricsGauge { return dropped{} }
func (m *metricsRecorder) Timer(string) client.MetricsTimer { return dropped{} }

func (m *metricsRecorder) of(key string) int64 {
	m.counts.mu.Lock()
	defer m.counts.mu.Unlock()
	return m.counts.by[key]
}

type counter struct {
	key    string
	counts *counts
}

// Inc adds n.
func (c counter) Inc(n int64) {
	c.counts.mu.Lock()
	defer c.counts.mu.Unlock()
	c.counts.by[c.key] += n
}

type dropped struct{}

// Update and Record do nothing.
func (dropped) Update(float64)       {}
func (dropped) Record(time.Duration) {}
