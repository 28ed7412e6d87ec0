package e2e_test

import (
	"sync"
	"time"

	"go.temporal.io/sdk/client"
)

// tally counts what workflows of a lane count. Replays are left out, as everywhere.
type tally struct {
	tags   map[string]string
	counts *counts
}

type counts struct {
	mu sync.Mutex
	by map[string]int64 // "name tag", of the one tag that says which
}

func newTally() *tally { return &tally{counts: &counts{by: map[string]int64{}}} }

// WithTags remembers tags for what is counted with it.
func (m *tally) WithTags(tags map[string]string) client.MetricsHandler {
	return &tally{tags: tags, counts: m.counts}
}

// Counter counts under the name and its step or signal.
func (m *tally) Counter(name string) client.MetricsCounter {
	return counter{key: name + " " + m.tags["step"] + m.tags["signal"], counts: m.counts}
}

// Gauge and Timer drop what they are given.
func (m *tally) Gauge(string) client.MetricsGauge { return dropped{} }
func (m *tally) Timer(string) client.MetricsTimer { return dropped{} }

func (m *tally) of(key string) int64 {
	m.counts.mu.Lock()
	defer m.counts.mu.Unlock()
	return m.counts.by[key]
}

type counter struct {
	key    string
	counts *counts
}

// Inc counts.
func (c counter) Inc(n int64) {
	c.counts.mu.Lock()
	defer c.counts.mu.Unlock()
	c.counts.by[c.key] += n
}

type dropped struct{}

// Update and Record do nothing.
func (dropped) Update(float64)       {}
func (dropped) Record(time.Duration) {}
