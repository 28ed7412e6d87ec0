package main

import (
	"context"

	"orderflow/activities"
	"orderflow/internal/streams"
)

// storeChecks returns what a deployment of this build has to pass. Each only reads.
func storeChecks(d drivers) []activities.StoreCheck {
	return []activities.StoreCheck{
		{Name: "postgres", Check: withoutNote(d.pool.CheckWorker)},
		{Name: "kurrentdb", Check: withoutNote(func(ctx context.Context) error { return streams.CheckWorker(ctx, d.events) })},
		{Name: "ses", Check: d.mailer.CheckAccount},
	}
}

func withoutNote(check func(context.Context) error) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return "", check(ctx) }
}
