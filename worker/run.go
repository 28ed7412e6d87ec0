package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"orderflow/activities"
	"orderflow/internal/config"
	"orderflow/internal/ops"
	"orderflow/internal/streams"
	"orderflow/internal/temporalclient"
	"orderflow/internal/version"
	"orderflow/workflows"
)

func run(ctx context.Context, environ []string, stderr io.Writer) error {
	s, invalid := config.Load[settings](environ)
	logger := ops.NewLogger(s.Log, stderr, "worker")
	d, err := openDrivers(ctx, s, invalid, logger)
	if err != nil {
		return err
	}
	defer d.close()
	d.exportStores()
	consumer := newEventConsumer(d, s.Email.ConfigurationSet, logger)
	return ops.Run(ctx, ops.Options{
		Service: "worker", Addr: s.Addr, Metrics: d.metrics, Logger: logger,
		Await: []ops.Dependency{
			d.pool.Dependency(), temporalclient.Dependency(d.temporal, d.namespace), namespaceDependency(d, s.Attributes),
		},
		Ready: readiness(d), State: eventState(consumer),
	}, func(ctx context.Context) error {
		defer startConsumer(ctx, consumer)()
		return work(ctx, s, d, logger)
	})
}

// readiness returns the checks of the servers without which the worker's queues get no
// work done. SES is not one of them: its limits are those of an account, and an email waits.
func readiness(d drivers) map[string]ops.Check {
	checks := map[string]ops.Check{"temporal": temporalclient.Verify(d.temporal, d.namespace), "postgres": d.pool.Ping}
	if d.events != nil {
		checks["kurrentdb"] = d.events.Ping
	}
	return checks
}

// work hosts the workflows and activities until ctx ends, and then finishes the tasks in
// flight.
func work(ctx context.Context, s settings, d drivers, logger *slog.Logger) error {
	fatal := make(chan error, 2)
	pools := newPools(d.temporal, newHosted(s, d, logger), s, func(err error) { fatal <- err })
	if err := pools.start(); err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	endMetrics := func() {}
	if s.Addr != "" && !s.Tuning.ServesReconcile() { // a worker that serves no metrics, or has no right to, leaves the lease to others
		endMetrics = startGlobalMetrics(ctx, d, logger)
	}
	logger.Info("worker running", "namespace", d.namespace, "queues", s.Tuning.Queues,
		"deployment", s.Deployment.Name, "build_id", s.Deployment.buildID(version.Read()))
	var err error
	select {
	case <-ctx.Done():
	case err = <-fatal:
	}
	logger.Info("worker stopping")
	pools.stop()
	endMetrics()
	return err
}

// namespaceDependency is a namespace that has the search attributes. An operator may add
// them at any time.
func namespaceDependency(d drivers, attributes config.Attributes) ops.Dependency {
	return ops.Dependency{Name: "namespace", Check: func(ctx context.Context) error {
		return temporalclient.CheckNamespace(ctx, d.temporal, d.namespace, workflows.RequiredAttributes(attributes.TotalHidden))
	}}
}

// startGlobalMetrics starts counting the global metrics. It returns a function that stops
// the counting and waits for it to stop.
func startGlobalMetrics(ctx context.Context, d drivers, logger *slog.Logger) (end func()) {
	counts := []globalCount{
		unsettledEmails(d.emails), stuckOrders(d.temporal, d.namespace, workflows.Steps()),
		heldOrders(d.temporal, d.namespace, time.Now), lateOrders(d.temporal, d.namespace),
	}
	counts = append(counts, reconciliationCounts(d.temporal, d.namespace)...)
	metrics := newGlobalMetrics(d.pool, counts, d.metrics.Registry, logger)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		metrics.run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// newHosted returns the activities of the queues that the process serves.
func newHosted(s settings, d drivers, logger *slog.Logger) hosted {
	if s.Tuning.ServesReconcile() {
		return hosted{
			orders:     &activities.Activities{Checks: comparisonChecks(d)},
			reconciler: &activities.Reconciler{Comparison: newComparison(s, d, logger)},
		}
	}
	return hosted{orders: newActivities(s, d, logger)}
}

func newActivities(s settings, d drivers, logger *slog.Logger) *activities.Activities {
	accounts := streams.NewCreditAccounts(streams.CreditAccountsConfig{
		Client: d.events, Terms: s.terms(), CacheSize: s.Tuning.CachedAccounts,
		MaxRequests: s.Tuning.RequestsPerAccount(), Logger: logger, OnConflict: newConflictCounter(d.metrics.Registry).Inc,
	})
	return &activities.Activities{
		Credit:       accounts,
		Reviews:      accounts,
		Orders:       streams.Orders{Client: d.events},
		Fulfillments: d.fulfillments,
		Published:    streams.Fulfillments{Client: d.events},
		Emails:       d.emails,
		Mailer:       d.mailer,
		Meter:        newEmailMeter(d.metrics.Registry),
		Checks:       storeChecks(d),
		HoldFor:      s.Credit.Hold,
		ShipBy:       s.ShipBy,
	}
}
