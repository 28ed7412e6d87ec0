package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"orderflow/internal/kurrent"
	"orderflow/internal/projection"
)

const (
	orderCategory    = "order"
	categoryInterval = 15 * time.Second
	maxSampleAge     = time.Minute // an older value would hide that nothing is known
)

// categoryGauges export the events of orders that KurrentDB's projection $by_category has
// not linked yet, which therefore no starter receives. The projector measures it because
// it may read $all.
type categoryGauges struct {
	category *kurrent.Category
	metrics  *projection.Metrics
	logger   *slog.Logger

	waiting, seconds *prometheus.Desc

	mu   sync.Mutex
	last kurrent.Pending
	at   time.Time // of last; zero before the first
}

func newCategoryGauges(events *kurrent.Client, m *projection.Metrics, logger *slog.Logger) *categoryGauges {
	return &categoryGauges{
		category: events.NewCategory(orderCategory), metrics: m, logger: logger,
		waiting: prometheus.NewDesc("orderflow_category_waiting_events",
			"Events of the category that are not in its stream yet.", []string{"category"}, nil),
		seconds: prometheus.NewDesc("orderflow_category_waiting_seconds",
			"Age of the oldest event of the category that is not in its stream yet, 0 if there is none.", []string{"category"}, nil),
	}
}

// run measures until ctx ends.
func (g *categoryGauges) run(ctx context.Context) {
	ticker := time.NewTicker(categoryInterval)
	defer ticker.Stop()
	for {
		g.measure(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (g *categoryGauges) measure(ctx context.Context) {
	found, err := g.category.Waiting(ctx)
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, kurrent.ErrAccessDenied): // until the first event of the category, among others
		g.logger.Debug("not allowed to compare the category with the log", "error", err)
	case err != nil:
		g.metrics.CountRetry(projection.RetryCategory)
		g.logger.Debug("comparing the category with the log failed", "error", err)
	default:
		g.mu.Lock()
		g.last, g.at = found, time.Now()
		g.mu.Unlock()
	}
}

// Describe implements prometheus.Collector.
func (g *categoryGauges) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- g.waiting
	descriptions <- g.seconds
}

// Collect implements prometheus.Collector. There are no samples while nothing is known.
func (g *categoryGauges) Collect(samples chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.at) > maxSampleAge {
		return
	}
	age := 0.0
	if g.last.Count > 0 {
		age = max(0, time.Since(g.last.Oldest).Seconds()) // the server's clock may be ahead
	}
	samples <- prometheus.MustNewConstMetric(g.waiting, prometheus.GaugeValue, float64(g.last.Count), orderCategory)
	samples <- prometheus.MustNewConstMetric(g.seconds, prometheus.GaugeValue, age, orderCategory)
}
