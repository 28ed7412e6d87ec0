package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"orderflow/internal/routes"
)

// metrics are the bridge's metrics.
type metrics struct {
	events   *prometheus.CounterVec
	retries  *prometheus.CounterVec
	inFlight prometheus.Gauge
	waiting  prometheus.Gauge
	blocked  *prometheus.GaugeVec
}

// holder says who holds an event until it is tried again.
type holder string

const (
	heldByBridge holder = "bridge"
	heldByServer holder = "kurrentdb" // it was returned for redelivery
)

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orderflow_bridge_events_total", Help: "Completed events, by result.",
		}, []string{"result"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orderflow_bridge_retries_total", Help: "Retries of events, by who holds the event in between.",
		}, []string{"held_by"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "orderflow_bridge_in_flight", Help: "Events taken from KurrentDB and not yet acknowledged.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "orderflow_bridge_waiting", Help: "Events that wait until their order's workflow accepts messages again.",
		}),
		blocked: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "orderflow_bridge_blocked", Help: "1 while the bridge is not ready until an operator repairs this.",
		}, []string{"by"}),
	}
	for _, name := range []string{obstacleGroup, obstacleRights, obstacleProjection, obstacleNamespace, obstacleRefusal, obstacleCodec} {
		m.blocked.WithLabelValues(name)
	}
	for _, r := range []routes.Result{routes.Started, routes.Duplicate, routes.Ignored, routes.Signalled, routes.Late, routes.Parked} {
		m.events.WithLabelValues(string(r)) // a series that starts at 0 can trigger an alert at its first event
	}
	for _, by := range []holder{heldByBridge, heldByServer} {
		m.retries.WithLabelValues(string(by))
	}
	registry.MustRegister(m.events, m.retries, m.inFlight, m.waiting, m.blocked)
	return m
}
