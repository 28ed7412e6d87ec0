package main

import (
	"context"

	"orderflow/activities"
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

func withoutNote(check func(context.Context) error) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return "", check(ctx) }
}
