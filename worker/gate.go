package main

import (
	"context"
	"time"

	"orderflow/activities"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/streams"
)

// storeChecks returns what a deployment of this build has to pass: the checks of the stores
// that this worker uses. Each only reads.
func storeChecks(d drivers) []activities.StoreCheck {
	checks := []activities.StoreCheck{{Name: "postgres", Check: withoutNote(d.pool.CheckWorker)}}
	if d.events != nil {
		checks = append(checks, activities.StoreCheck{
			Name: "kurrentdb", Check: withoutNote(func(ctx context.Context) error { return streams.CheckWorker(ctx, d.events) }),
		})
	}
	if d.mailer != nil {
		checks = append(checks, activities.StoreCheck{Name: "ses", Check: d.mailer.CheckAccount})
	}
	return checks
}

// comparisonChecks returns what a deployment of this build has to pass in a worker that
// compares the stores: it may read the rows of orders and the whole log.
func comparisonChecks(d drivers) []activities.StoreCheck {
	rows := func(ctx context.Context) error {
		if err := d.pool.CheckSchema(ctx); err != nil {
			return err
		}
		_, err := d.fulfillments.FindFulfillments(ctx, []string{order.StreamPrefix + "none"})
		return err
	}
	log := func(ctx context.Context) error {
		recent := kurrent.Scan{Types: []string{order.TypePlaced}, Since: time.Now()}
		return d.events.Scan(ctx, recent, func(kurrent.Event) error { return nil })
	}
	return []activities.StoreCheck{{Name: "postgres", Check: withoutNote(rows)}, {Name: "kurrentdb", Check: withoutNote(log)}}
}

func withoutNote(check func(context.Context) error) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return "", check(ctx) }
}
