package subscription

import (
	"slices"
	"time"
)

// maxMeasured is how many acknowledgements of a consumer the statistics cover.
const maxMeasured = 500

// Measurement is one number of a consumer's extra statistics.
type Measurement struct {
	Name         string
	Milliseconds int64
}

// observe records the time until an acknowledgement.
func (m *member) observe(took time.Duration) {
	if len(m.settled) == maxMeasured {
		m.settled = slices.Delete(m.settled, 0, 1)
	}
	m.settled = append(m.settled, took)
}

// measure returns a real server's measurements in its order. All of them are 0 before the
// first acknowledgement.
func measure(settled []time.Duration) []Measurement {
	sorted := slices.Sorted(slices.Values(settled))
	var sum time.Duration
	for _, took := range sorted {
		sum += took
	}
	at := func(share float64) int64 {
		if len(sorted) == 0 {
			return 0
		}
		return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)].Milliseconds()
	}
	return []Measurement{
		{"Mean", (sum / time.Duration(max(len(sorted), 1))).Milliseconds()},
		{"Median", at(0.5)},
		{"Fastest", at(0)},
		{"Quintile 1", at(0.2)},
		{"Quintile 2", at(0.4)},
		{"Quintile 3", at(0.6)},
		{"Quintile 4", at(0.8)},
		{"Quintile 5", at(1)},
		{"90%", at(0.9)},
		{"95%", at(0.95)},
		{"99%", at(0.99)},
		{"99.5%", at(0.995)},
		{"99.9%", at(0.999)},
		{"Highest", at(1)},
	}
}
