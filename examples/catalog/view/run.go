package view

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"example.com/catalog/video"
)

// The delay before a subscription begins again, which doubles with each failure in a row.
const (
	minDelay = 100 * time.Millisecond
	maxDelay = 5 * time.Second
)

// Subscriber subscribes to the messages of a category. messages.Store implements it.
type Subscriber interface {
	Subscribe(ctx context.Context, category string, after *uint64, handle func(context.Context, video.Message) error) error
}

// Run applies messages until ctx ends, and then returns nil. What fails is retried. Any
// number of replicas may run: their transactions take turns, and each message is applied
// by one.
func (v *View) Run(ctx context.Context, store Subscriber, logger *slog.Logger) error {
	var running sync.WaitGroup
	for _, s := range v.subscriptions {
		running.Go(func() { s.run(ctx, store, logger) })
	}
	running.Wait()
	return nil
}

func (s *subscription) run(ctx context.Context, store Subscriber, logger *slog.Logger) {
	for delay := minDelay; ; delay = min(2*delay, maxDelay) {
		progress, err := s.follow(ctx, store, logger)
		if ctx.Err() != nil {
			return
		}
		if progress {
			delay = minDelay
		}
		s.retries.Add(1)
		logger.Warn("retrying aggregation", "category", s.category, "delay", delay, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay/2 + rand.N(delay/2)):
		}
	}
}

// Measure registers the view's metrics: how often each category's aggregation failed and
// was retried, and how many messages it skipped. Prometheus shows them with the suffix
// _total.
func (v *View) Measure(provider metric.MeterProvider) error {
	meter := provider.Meter("example.com/catalog/view")
	retries, err := meter.Int64ObservableCounter("catalog_view_retries",
		metric.WithDescription("Failures of the aggregation, each followed by a retry."))
	if err != nil {
		return err
	}
	skipped, err := meter.Int64ObservableCounter("catalog_view_skipped",
		metric.WithDescription("Messages that could not be applied."))
	if err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, observer metric.Observer) error {
		for _, s := range v.subscriptions {
			category := metric.WithAttributes(attribute.String("category", s.category))
			observer.ObserveInt64(retries, s.retries.Load(), category)
			observer.ObserveInt64(skipped, s.skipped.Load(), category)
		}
		return nil
	}, retries, skipped)
	return err
}
