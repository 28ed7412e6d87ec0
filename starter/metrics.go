package main

import "github.com/prometheus/client_golang/prometheus"

// metrics are what the bridge counts.
type metrics struct {
	events   *prometheus.CounterVec
	retries  *prometheus.CounterVec
	inFlight prometheus.Gauge
	waiting  prometheus.Gauge
	blocked  *prometheus.GaugeVec
}

// holder is where an event is until it is tried again.
type holder string

const (
	heldByBridge holder = "bridge"
	heldByServer holder = "kurrentdb" // it was given back, and is delivered again
)

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orderflow_bridge_events_total", Help: "Events that are done with, by what became of them.",
		}, []string{"result"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orderflow_bridge_retries_total", Help: "Attempts at an event that are made again, by who holds it meanwhile.",
		}, []string{"held_by"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "orderflow_bridge_in_flight", Help: "Events taken from KurrentDB and not yet acknowledged.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "orderflow_bridge_waiting", Help: "Events that wait until their order's workflow takes messages again.",
		}),
		blocked: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "orderflow_bridge_blocked", Help: "1 while an operator has to repair this before the bridge is ready.",
		}, []string{"by"}),
	}
	for _, name := range []string{obstacleGroup, obstacleRights, obstacleProjection, obstacleNamespace, obstacleRefusal, obstacleCodec} {
		m.blocked.WithLabelValues(name)
	}
	for _, r := range []result{resultStarted, resultDuplicate, resultIgnored, resultSignalled, resultLate, resultParked} {
		m.events.WithLabelValues(string(r)) // a series that starts at 0 can be alarmed on from its first event
	}
	for _, by := range []holder{heldByBridge, heldByServer} {
		m.retries.WithLabelValues(string(by))
	}
	registry.MustRegister(m.events, m.retries, m.inFlight, m.waiting, m.blocked)
	return m
}
