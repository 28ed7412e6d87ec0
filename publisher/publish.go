package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"orderflow/internal/failpoint"
	"orderflow/internal/postgres"
)

// result is what became of a version.
type result string

const (
	resultPublished result = "published" // it is in its stream, perhaps since earlier
	resultSetAside  result = "set_aside" // it cannot be appended
	resultDeferred  result = "deferred"  // it waits behind one of its order that cannot
	resultIgnored   result = "ignored"   // a row of a foreign table
)

// Waits between attempts, from which a random part is taken off: what failed together should not come back together.
const (
	firstWait = 50 * time.Millisecond
	lastWait  = 2 * time.Second
)

// desk brings each version to an end: into its stream, or set aside. It is safe for concurrent use for different orders.
type desk struct {
	appender
	metrics *metrics
	logger  *slog.Logger
	outage  *outage

	mu    sync.Mutex
	aside map[string]bool // orders that are set aside; one that an operator took back may still be here
}

// load reads which orders are set aside.
func (d *desk) load(ctx context.Context) error {
	aside := map[string]bool{}
	for after := ""; ; {
		page, err := d.store.SetAsideAfter(ctx, after, 1_000)
		if err != nil {
			return err
		}
		for _, entry := range page {
			aside[entry.OrderID] = true
			after = entry.OrderID
		}
		if len(page) == 0 {
			break
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.aside = aside
	return nil
}

// publish returns when a version has been brought to an end, however long that takes. An error means that ctx has ended.
func (d *desk) publish(ctx context.Context, v postgres.Version) error {
	outcome, err := d.attempt(ctx, v)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d.outage.begins()
		defer d.outage.ends()
	}
	for wait := firstWait; err != nil; wait = min(2*wait, lastWait) {
		d.outage.goesOn(err)
		if pause(ctx, wait/2+rand.N(wait/2)); ctx.Err() != nil {
			return ctx.Err()
		}
		outcome, err = d.attempt(ctx, v)
	}
	d.metrics.events.WithLabelValues(string(outcome)).Inc()
	return nil
}

// attempt errs with what passes.
func (d *desk) attempt(ctx context.Context, v postgres.Version) (result, error) {
	if waits, err := d.isSetAside(ctx, v); waits || err != nil {
		return resultDeferred, err
	}
	err := d.append(ctx, v)
	if errors.Is(err, errGap) {
		err = d.closeGap(ctx, v)
	}
	var refused *refusal
	if errors.As(err, &refused) {
		return resultSetAside, d.setAside(ctx, v, refused)
	}
	return resultPublished, err
}

// closeGap appends what the stream lacks from the history, and then the version, which may not be visible there yet.
func (d *desk) closeGap(ctx context.Context, v postgres.Version) error {
	last, err := d.replay(ctx, v.OrderID)
	if err != nil || last >= v.Revision {
		return err
	}
	err = d.append(ctx, v)
	if errors.Is(err, errGap) {
		return &refusal{Code: codeGap, Detail: "earlier versions are neither in the stream nor in the history"}
	}
	return err
}

// isSetAside reports whether a version has to wait behind others of its order, and has it remembered there.
func (d *desk) isSetAside(ctx context.Context, v postgres.Version) (bool, error) {
	d.mu.Lock()
	known := d.aside[v.OrderID]
	d.mu.Unlock()
	if !known {
		return false, nil // this publisher is the only one that sets aside
	}
	waits, err := d.store.Defer(ctx, v.OrderID, v.Revision)
	if err == nil && !waits { // an operator has had it published
		d.mu.Lock()
		delete(d.aside, v.OrderID)
		d.mu.Unlock()
	}
	return waits, err
}

func (d *desk) setAside(ctx context.Context, v postgres.Version, why *refusal) error {
	failpoint.Hit("publisher.set-aside.before")
	err := d.store.SetAside(ctx, postgres.SetAside{OrderID: v.OrderID, Revision: v.Revision, Code: why.Code, Detail: why.Detail})
	if err != nil {
		return err
	}
	failpoint.Hit("publisher.set-aside.after")
	d.logger.Error("version cannot be published: its order is set aside", "order", v.OrderID, "revision", v.Revision,
		"code", why.Code, "detail", why.Detail)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.aside[v.OrderID] = true
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
