package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"orderflow/internal/postgres"
)

// metrics are what the publisher counts.
type metrics struct{ events *prometheus.CounterVec }

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{events: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderflow_publisher_events_total", Help: "Versions of orders that are done with, by what became of them.",
	}, []string{"result"})}
	for _, r := range []result{resultPublished, resultSetAside, resultDeferred, resultIgnored} {
		m.events.WithLabelValues(string(r)) // a series that starts at 0 can be alarmed on from its first event
	}
	registry.MustRegister(m.events)
	return m
}

// gauges show how far behind the publisher is and what it set aside. They ask PostgreSQL, so that every replica tells the
// same and a restart changes nothing.
type gauges struct {
	*publisher
	logger *slog.Logger
}

// askTimeout bounds the questions that a scrape asks.
const askTimeout = 2 * time.Second

func lagBytesDescription() *prometheus.Desc {
	return prometheus.NewDesc("orderflow_publisher_lag_bytes", "Log that PostgreSQL has written and that is not dealt with, in bytes.", nil, nil)
}

func lagSecondsDescription() *prometheus.Desc {
	return prometheus.NewDesc("orderflow_publisher_lag_seconds", "Age of the oldest version that is not known to be published.", nil, nil)
}

func setAsideDescription() *prometheus.Desc {
	return prometheus.NewDesc("orderflow_publisher_set_aside", "Orders with versions that cannot be published.", nil, nil)
}

// Describe names the metrics there are.
func (g gauges) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- lagBytesDescription()
	descriptions <- lagSecondsDescription()
	descriptions <- setAsideDescription()
}

// Collect asks on each scrape; without an answer there is no sample.
func (g gauges) Collect(samples chan<- prometheus.Metric) {
	samples <- prometheus.MustNewConstMetric(lagSecondsDescription(), prometheus.GaugeValue, g.lag().Seconds())
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	var reached postgres.LSN
	if flight := g.flight.Load(); flight != nil && g.phase.Load() == phaseStream {
		position, _, _ := flight.state()
		reached = postgres.LSN(position)
	}
	bytes, err := g.store.SlotLag(ctx, g.slot, reached)
	if err != nil {
		g.logger.Warn("lag cannot be measured", "error", err)
	} else {
		samples <- prometheus.MustNewConstMetric(lagBytesDescription(), prometheus.GaugeValue, float64(bytes))
	}
	orders, err := g.store.CountSetAside(ctx)
	if err != nil {
		g.logger.Warn("orders that are set aside cannot be counted", "error", err)
		return
	}
	samples <- prometheus.MustNewConstMetric(setAsideDescription(), prometheus.GaugeValue, float64(orders))
}
