package projection

import (
	"context"
	"errors"
	"time"

	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
)

const (
	lagInterval = 5 * time.Second // between counts of the lag
	maxLag      = 10_000          // the lag is counted up to this

	// silentRounds is the number of consecutive counts with events to read but none
	// stored after which a subscription is abandoned. They take longer than the longest
	// batch.
	silentRounds = 6
)

// errSilent ends a session whose subscription looks alive but delivers nothing.
var errSilent = errors.New("the subscription is silent")

// Log counts the events behind a position. The real implementation is kurrent.Client.
type Log interface {
	Behind(ctx context.Context, f kurrent.Follow, most int) (int, error)
}

// Watch measures how far the stored view lags behind the log until ctx ends, even while
// storing fails. It ends a session that receives nothing although there are events to
// read. The transport's keepalive detects a dead connection, but not one that an
// intermediary keeps alive.
func (p *Projection) Watch(ctx context.Context, events Log) { p.watch(ctx, lagInterval, events) }

func (p *Projection) watch(ctx context.Context, every time.Duration, events Log) {
	var seen postgres.ViewPosition
	for silent := 0; ctx.Err() == nil; pause(ctx, every) {
		position, lag, err := p.lag(ctx, events)
		if err != nil {
			continue // a store is unavailable: that is not silence
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

func (p *Projection) lag(ctx context.Context, events Log) (at postgres.ViewPosition, behind int, err error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	if at, err = p.store.Position(ctx, p.name); err != nil {
		return at, 0, err
	}
	after := kurrent.Position{Commit: at.Commit, Prepare: at.Prepare}
	behind, err = events.Behind(ctx, kurrent.Follow{Prefixes: view.Prefixes(), After: after}, maxLag)
	return at, behind, err
}
