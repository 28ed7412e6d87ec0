package main

import (
	"context"
	"errors"
	"time"

	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
)

const (
	lagEvery = 5 * time.Second // how often the lag is counted
	maxLag   = 10_000          // and how far

	// silentRounds is after how many counts, with something to read and nothing read, a subscription is left: more than the
	// longest batch takes.
	silentRounds = 6
)

// errSilent ends a session whose subscription looks alive and is not.
var errSilent = errors.New("the subscription is silent")

// log tells how much of it is behind a position. The real one is kurrent.Client.
type log interface {
	Behind(ctx context.Context, f kurrent.Follow, most int) (int, error)
}

// watch measures how far the stored view is behind the log, also while it cannot be stored, and ends a session that has
// fallen silent while there is something to read. A connection that is dead shows by itself, within the transport's keepalive;
// one that something in between keeps alive does not.
func (p *projection) watch(ctx context.Context, every time.Duration, events log) {
	var seen postgres.ViewPosition
	for silent := 0; ctx.Err() == nil; pause(ctx, every) {
		position, lag, err := p.lag(ctx, events)
		if err != nil {
			continue // a store is away: that is no silence
		}
		p.metrics.lag.Set(float64(lag))
		if silent++; lag == 0 || position.Commit != seen.Commit || position.Prepare != seen.Prepare {
			silent = 0
		}
		seen = position
		if end := p.end.Load(); end != nil && silent >= silentRounds {
			(*end)(errSilent)
			silent = 0
		}
	}
}

func (p *projection) lag(ctx context.Context, events log) (at postgres.ViewPosition, behind int, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if at, err = p.store.Position(ctx, p.name); err != nil {
		return at, 0, err
	}
	after := kurrent.Position{Commit: at.Commit, Prepare: at.Prepare}
	behind, err = events.Behind(ctx, kurrent.Follow{Prefixes: view.Prefixes(), After: after}, maxLag)
	return at, behind, err
}
