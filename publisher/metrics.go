package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"orderflow/internal/postgres"
)

// metrics are the publisher's counters.
type metrics struct{ events, rebuilds, retries *prometheus.CounterVec }

// The work that is repeated after a failure, as it is counted.
const (
	retryVersion = "version" // publishing one
	retrySession = "session"
	retryPrune   = "prune"
)

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{events: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderflow_publisher_events_total", Help: "Versions of orders that were processed, by result.",
	}, []string{"result"}), rebuilds: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderflow_publisher_rebuilds_total", Help: "Times the history was read from its beginning, by reason.",
	}, []string{"reason"}), retries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderflow_publisher_retries_total", Help: "Failed attempts that are repeated, by what is repeated.",
	}, []string{"work"})}
	for _, work := range []string{retryVersion, retrySession, retryPrune} {
		m.retries.WithLabelValues(work)
	}
	for _, r := range []result{resultPublished, resultSetAside, resultDeferred, resultIgnored} {
		m.events.WithLabelValues(string(r)) // a series that starts at 0 can trigger an alert at its first event
	}
	for _, reason := range []string{rebuildSlotLost, rebuildPublication, rebuildUndecodable, rebuildFirst, rebuildOther} {
		m.rebuilds.WithLabelValues(reason)
	}
	registry.MustRegister(m.events, m.rebuilds, m.retries)
	return m
}

// gauges show the publisher's lag and the orders it set aside. They query PostgreSQL, so
// every replica reports the same values and a restart does not change them.
type gauges struct{ *publisher }

// scrapeTimeout bounds the queries of one scrape.
const scrapeTimeout = 2 * time.Second

func lagBytesDescription() *prometheus.Desc {
	return prometheus.NewDesc("orderflow_publisher_lag_bytes", "Bytes of log that PostgreSQL has written and that are not yet processed.", nil, nil)
}

func lagSecondsDescription() *prometheus.Desc {
	return prometheus.NewDesc("orderflow_publisher_lag_seconds", "Age of the oldest committed version that is neither published nor set aside.", nil, nil)
}

func setAsideDescription() *prometheus.Desc {
	return prometheus.NewDesc("orderflow_publisher_set_aside", "Orders with versions that cannot be published.", nil, nil)
}

func publicationDescription() *prometheus.Desc {
	return prometheus.NewDesc("orderflow_publisher_publication_complete",
		"Whether PostgreSQL's publication sends every version completely. Nothing is published otherwise.", nil, nil)
}

func leaderDescription() *prometheus.Desc {
	return prometheus.NewDesc("orderflow_publisher_leader", "1 in the replica that publishes, else 0.", nil, nil)
}

// Describe sends the descriptions of all metrics.
func (g gauges) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- lagBytesDescription()
	descriptions <- lagSecondsDescription()
	descriptions <- setAsideDescription()
	descriptions <- publicationDescription()
	descriptions <- leaderDescription()
}

// Collect queries the values on each scrape, concurrently: a query that used up the time of the
// others would make them give up a connection of the pool. If a query fails, its metric has
// no sample.
func (g gauges) Collect(samples chan<- prometheus.Metric) {
	leads := 0.0
	if phase := g.phase.Load(); phase == phaseSnapshot || phase == phaseStream {
		leads = 1
	}
	samples <- prometheus.MustNewConstMetric(leaderDescription(), prometheus.GaugeValue, leads)
	var asking sync.WaitGroup
	for _, gauge := range []struct {
		description *prometheus.Desc
		ask         func(context.Context) (float64, error)
	}{
		{lagSecondsDescription(), g.lagSeconds},
		{lagBytesDescription(), g.lagBytes},
		{publicationDescription(), g.publicationComplete},
		{setAsideDescription(), g.setAside},
	} {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
			defer cancel()
			value, err := gauge.ask(ctx)
			switch {
			case err == nil:
				samples <- prometheus.MustNewConstMetric(gauge.description, prometheus.GaugeValue, value)
			case !errors.Is(err, errStandby):
				g.logger.Warn("query metric failed", "metric", gauge.description.String(), "error", err)
			}
		})
	}
	asking.Wait()
}

func (g gauges) lagSeconds(ctx context.Context) (float64, error) {
	lag, err := g.lag(ctx)
	return lag.Seconds(), err
}

func (g gauges) lagBytes(ctx context.Context) (float64, error) {
	var reached postgres.LSN
	if inFlight := g.current.Load(); inFlight != nil && g.phase.Load() == phaseStream {
		reached = postgres.LSN(inFlight.State().Reached)
	}
	bytes, err := g.publication.SlotLag(ctx, g.slot, reached)
	return float64(bytes), err
}

func (g gauges) publicationComplete(ctx context.Context) (float64, error) {
	_, err := g.publication.Check(ctx)
	if errors.Is(err, postgres.ErrNoPublication) {
		return 0, nil
	}
	return 1, err
}

func (g gauges) setAside(ctx context.Context) (float64, error) {
	orders, err := g.state.CountSetAside(ctx)
	return float64(orders), err
}
