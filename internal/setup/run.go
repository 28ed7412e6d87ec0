package setup

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"orderflow/internal/backoff"
)

// Options are what to set up. A store that is nil is left alone.
type Options struct {
	DryRun bool          // report what would be done, and change nothing
	Wait   time.Duration // how long all stores together may take to become available
	Logger *slog.Logger

	Postgres  *PostgresOptions
	KurrentDB *KurrentDBOptions
	Temporal  *TemporalOptions
}

// Run sets the stores up, one after the other, and reports on every step. A step that
// fails keeps only those from running that depend on it.
func Run(ctx context.Context, o Options) *Report {
	r := &run{Options: o, available: time.Now().Add(o.Wait), Report: Report{DryRun: o.DryRun, Steps: []Result{}}}
	if o.Postgres != nil {
		(&postgresRun{run: r, PostgresOptions: *o.Postgres}).setUp(ctx)
	}
	if o.KurrentDB != nil {
		(&kurrentRun{run: r, KurrentDBOptions: *o.KurrentDB}).setUp(ctx)
	}
	if o.Temporal != nil {
		(&temporalRun{run: r, TemporalOptions: *o.Temporal}).setUp(ctx)
	}
	return &r.Report
}

// run is one setup in progress.
type run struct {
	Options
	Report
	available time.Time // when stores must be available
}

// dryRun reports whether nothing may be changed. Options and Report both have a field for
// it.
func (r *run) dryRun() bool { return r.Options.DryRun }

func (r *run) add(store Store, step string, outcome Outcome, detail string, todo ...string) {
	r.Steps = append(r.Steps, Result{Store: store, Step: step, Outcome: outcome, Detail: detail, Todo: todo})
}

// done adds the result of a step that was done, or would be in a dry run.
func (r *run) done(store Store, step string, outcome Outcome, detail string) {
	switch {
	case r.dryRun() && outcome == Created:
		outcome = WouldCreate
	case r.dryRun() && outcome == Changed:
		outcome = WouldChange
	}
	r.add(store, step, outcome, detail)
}

func (r *run) fail(store Store, step string, err error) { r.add(store, step, Failed, err.Error()) }

// await checks a store until it is available, for as long as Options.Wait says, and at
// least once. It adds a result only if the store does not become available, or never
// will, as far as final says.
func (r *run) await(ctx context.Context, store Store, check func(context.Context) error, final func(error) bool) bool {
	retry := backoff.Exponential{Min: 200 * time.Millisecond, Max: 5 * time.Second}
	waiting, cancel := context.WithDeadline(ctx, r.available)
	defer cancel()
	for failures := 0; ; failures++ {
		err := check(ctx) // bounded by the driver's own deadline
		if err == nil {
			return true
		}
		if final(err) || retry.Wait(waiting, failures) != nil {
			r.fail(store, "connection", fmt.Errorf("%w; nothing was done", err))
			return false
		}
		r.Logger.Warn("waiting for store", "store", store, "error", err)
	}
}
