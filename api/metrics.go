package main

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// newRequestMeter returns an observer that records the duration of requests by route and
// status. The route is empty if no route matched.
func newRequestMeter(registry prometheus.Registerer) observer {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "orderflow_api_request_seconds", Help: "Time that requests took, by route and status.",
		Buckets: []float64{.005, .02, .1, .5, 2, 5, 15},
	}, []string{"route", "status"})
	registry.MustRegister(seconds)
	return func(route string, status int, took time.Duration) {
		seconds.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
	}
}
