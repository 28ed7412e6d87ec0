package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"orderflow/internal/postgres"
)

// metrics are what the publisher counts.
type metrics struct{ events, rebuilds *prometheus.CounterVec }

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{events: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderflow_publisher_events_total", Help: "Versions of orders that are done with, by what became of them.",
	}, []string{"result"}), rebuilds: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderflow_publisher_rebuilds_total", Help: "Times that the history was read from its beginning, by the reason.",
	}, []string{"reason"})}
	for _, r := range []result{resultPublished, resultSetAside, resultDeferred, resultIgnored} {
		m.events.WithLabelValues(string(r)) // a series that starts at 0 can be alarmed on from its first event
	}
	for _, reason := range []string{rebuildSlotLost, rebuildPublication, rebuildUndecodable, rebuildOther} {
		m.rebuilds.WithLabelValues(reason)
	}
	registry.MustRegister(m.events, m.rebuilds)
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
	return prometheus.NewDesc("orderflow_publisher_lag_seconds", "Age of the oldest committed version that is neither published nor set aside.", nil, nil)
}

func setAsideDescription() *prometheus.Desc {
	return prometheus.NewDesc("orderflow_publisher_set_aside", "Orders with versions that cannot be published.", nil, nil)
}

func publicationDescription() *prometheus.Desc {
	return prometheus.NewDesc("orderflow_publisher_publication_complete",
		"Whether PostgreSQL's publication sends every version whole: without that nothing is published.", nil, nil)
}

// Describe names the metrics there are.
func (g gauges) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- lagBytesDescription()
	descriptions <- lagSecondsDescription()
	descriptions <- setAsideDescription()
	descriptions <- publicationDescription()
}

// Collect asks on each scrape; without an answer there is no sample.
func (g gauges) Collect(samples chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	for _, gauge := range []struct {
		description *prometheus.Desc
		ask         func(context.Context) (float64, error)
	}{
		{lagSecondsDescription(), g.lagSeconds},
		{lagBytesDescription(), g.lagBytes},
		{publicationDescription(), g.publicationComplete},
		{setAsideDescription(), g.setAside},
	} {
		value, err := gauge.ask(ctx)
		switch {
		case err == nil:
			samples <- prometheus.MustNewConstMetric(gauge.description, prometheus.GaugeValue, value)
		case !errors.Is(err, errNotOurLag):
			g.logger.Warn("a metric cannot be measured", "metric", gauge.description.String(), "error", err)
		}
	}
}

func (g gauges) lagSeconds(ctx context.Context) (float64, error) {
	lag, err := g.lag(ctx)
	return lag.Seconds(), err
}

func (g gauges) lagBytes(ctx context.Context) (float64, error) {
	var reached postgres.LSN
	if flight := g.flight.Load(); flight != nil && g.phase.Load() == phaseStream {
		position, _, _ := flight.state()
		reached = postgres.LSN(position)
	}
	bytes, err := g.store.SlotLag(ctx, g.slot, reached)
	return float64(bytes), err
}

func (g gauges) publicationComplete(ctx context.Context) (float64, error) {
	_, err := g.store.CheckPublishing(ctx)
	if errors.Is(err, postgres.ErrNoPublication) {
		return 0, nil
	}
	return 1, err
}

func (g gauges) setAside(ctx context.Context) (float64, error) {
	orders, err := g.store.CountSetAside(ctx)
	return float64(orders), err
}
