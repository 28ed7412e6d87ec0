package main

import (
	"context"
	"log/slog"

	"orderflow/internal/emailevents"
	"orderflow/internal/ops"
	"orderflow/internal/streams"
)

// newEventConsumer returns the consumer of the provider's events about emails, or nil if
// the worker has no queue of them.
func newEventConsumer(d drivers, configurationSet string, logger *slog.Logger) *emailevents.Consumer {
	if d.emailEvents == nil {
		return nil
	}
	return &emailevents.Consumer{
		Queue: d.emailEvents, Ledger: d.emails, Publisher: streams.Emails{Client: d.events},
		Metrics: emailevents.NewMetrics(d.metrics.Registry), Logger: logger,
		ConfigurationSet: configurationSet,
	}
}

// eventState shows alongside readiness whether events are consumed. Orders and emails go
// on without them, so a queue that is out makes no worker unready.
func eventState(consumer *emailevents.Consumer) map[string]ops.Check {
	if consumer == nil {
		return nil
	}
	return map[string]ops.Check{"email-events": consumer.Check}
}

// startConsumer runs the consumer, if there is one, until ctx ends. It returns a function
// that waits for its end.
func startConsumer(ctx context.Context, consumer *emailevents.Consumer) (wait func()) {
	if consumer == nil {
		return func() {}
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		consumer.Run(ctx)
	}()
	return func() {
		stop()
		<-done
	}
}
