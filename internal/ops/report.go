package ops

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// report is the state of a daemon, served at /readyz and as a metric.
type report struct {
	service   string
	lifecycle *lifecycle
	ready     *readiness
	states    *states
	passing   *prometheus.Desc
}

func newReport(o Options, l *lifecycle) *report {
	return &report{
		service: o.Service, lifecycle: l, states: newStates(o.State), ready: &readiness{checks: o.Ready, now: time.Now},
		passing: prometheus.NewDesc("orderflow_check_passing", "1 while the check passes, as /readyz shows it.", []string{"check"}, nil),
	}
}

// results returns the result of each check, and whether all that readiness depends on
// passed, except for the excluded checks. The daemon's own phase is never cached and
// cannot be excluded.
func (r *report) results(excluded ...string) (ready bool, results map[string]string) {
	return r.merge(r.ready.check(), excluded...)
}

// merge adds to the results of the checks that readiness depends on those of the others, and
// the daemon's own.
func (r *report) merge(checks map[string]string, excluded ...string) (ready bool, results map[string]string) {
	ready, results = true, r.states.last()
	for name, result := range checks {
		ready = ready && (result == passed || slices.Contains(excluded, name))
		results[name] = result
	}
	result := textOf(r.lifecycle.check())
	results[r.service] = result
	return ready && result == passed, results
}

// serve writes a JSON object with a member for each check. The status is 200 if the
// daemon is ready, and 503 otherwise. A check named by the parameter exclude is shown and
// does not count: a platform that replaces replicas one after the other needs a replica
// that waits for leadership to count as ready. It is 400 for a name that is none, so that
// a mistyped probe is noticed.
func (r *report) serve(w http.ResponseWriter, request *http.Request) {
	excluded := request.URL.Query()["exclude"]
	for _, name := range excluded {
		if _, ok := r.ready.checks[name]; !ok {
			http.Error(w, fmt.Sprintf("exclude: no check of readiness is called %q", name), http.StatusBadRequest)
			return
		}
	}
	ready, results := r.results(excluded...)
	w.Header().Set("Content-Type", "application/json")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(results) // fails only if the client has disconnected
}

// Describe implements prometheus.Collector.
func (r *report) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- r.passing }

// Collect sends one sample for each check that has run. It does not wait for a check that
// takes long.
func (r *report) Collect(samples chan<- prometheus.Metric) {
	_, results := r.merge(r.ready.soon())
	for name, result := range results {
		value := 0.0
		switch result {
		case notKnown:
			continue
		case passed:
			value = 1
		}
		samples <- prometheus.MustNewConstMetric(r.passing, prometheus.GaugeValue, value, name)
	}
}
