package ops

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// report is what is known of a daemon. It is a page and a metric.
type report struct {
	service string
	life    *Life
	ready   *readiness
	states  *states
	passing *prometheus.Desc
}

func newReport(o Options, life *Life) *report {
	return &report{
		service: o.Service, life: life, states: newStates(o.State), ready: &readiness{checks: o.Ready, now: time.Now},
		passing: prometheus.NewDesc("orderflow_check_passing", "1 while the check passes, as /readyz shows it.", []string{"check"}, nil),
	}
}

// ask returns what each check came to, and whether all that count passed. How far the daemon has come is never old.
func (r *report) ask() (ready bool, answer map[string]string) {
	ready, answer = true, r.states.ask()
	for name, what := range r.ready.ask() {
		ready = ready && what == passed
		answer[name] = what
	}
	what := word(r.life.check())
	answer[r.service] = what
	return ready && what == passed, answer
}

// serve writes a JSON object with a member for each check: 200 if the daemon is ready, else 503.
func (r *report) serve(w http.ResponseWriter, _ *http.Request) {
	ready, answer := r.ask()
	w.Header().Set("Content-Type", "application/json")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer) // the probe is gone if this fails
}

// Describe makes a report a prometheus.Collector.
func (r *report) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- r.passing }

// Collect writes one sample for each check that has an answer.
func (r *report) Collect(samples chan<- prometheus.Metric) {
	_, answer := r.ask()
	for name, what := range answer {
		value := 0.0
		switch what {
		case notKnown:
			continue
		case passed:
			value = 1
		}
		samples <- prometheus.MustNewConstMetric(r.passing, prometheus.GaugeValue, value, name)
	}
}
