package main

import (
	"context"
	"log/slog"
	"time"

	"orderflow/activities"
	"orderflow/internal/reconcile"
)

// comparison runs the comparison of `orderflow reconcile`. It implements
// activities.Comparison.
type comparison struct {
	options reconcile.Options
	grace   time.Duration
}

func newComparison(s settings, d drivers, logger *slog.Logger) comparison {
	return comparison{grace: reconcile.DefaultGrace, options: reconcile.Options{
		Temporal: d.temporal, TemporalOptions: d.options, Events: d.events, Rows: d.fulfillments, Logger: logger,
		Attributes: s.Attributes, Stream: s.Subscription.Stream, Group: s.Subscription.Group, Wait: reconcile.DefaultWait, Listed: activities.MaxReconciled,
	}}
}

// Compare compares the stores. The next attempt continues with what it saved last.
func (c comparison) Compare(
	ctx context.Context, in activities.ReconcileInput, p activities.ReconcileProgress,
) (activities.Reconciled, error) {
	o := c.options
	o.Cutoff, o.Fix = in.At.Add(-c.grace), in.Fix
	if in.Since != nil {
		o.Since = *in.Since
	}
	var resume reconcile.Progress
	if p.Resume(&resume) {
		o.Resume = &resume
	}
	o.Heartbeat = func(now reconcile.Progress) { p.Save(now) }
	findings, err := reconcile.Run(ctx, o)
	if err != nil {
		return activities.Reconciled{}, err
	}
	return reconciled(findings), nil
}

// reconciled returns what a workflow may hold of the findings: counts, and ids of orders.
func reconciled(f *reconcile.Findings) activities.Reconciled {
	r := activities.Reconciled{Checked: f.Checked, Young: f.Young, Differences: []activities.ReconciledOrder{}, More: f.More}
	r.Found, r.Left = f.ByKind()
	if f.Uncounted == "" {
		r.Parked = &f.Parked
	}
	f.Orders(func(orderID, kind string, fixed bool) {
		r.Differences = append(r.Differences, activities.ReconciledOrder{OrderID: orderID, Kind: kind, Fixed: fixed})
	})
	return r
}
