package projection

import (
	"context"
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

// Log counts the events behind a position. The real implementation is kurrent.Client.
type Log interface {
	CountEvents(ctx context.Context, f kurrent.Follow, most int) (int, error)
}

// Watch measures how far the stored view lags behind the log until ctx ends, even while
// storing fails. It ends a session that receives nothing although there are events to
// read.
func (p *Projection) Watch(ctx context.Context, events Log) { p.watch(ctx, lagInterval, events) }

func (p *Projection) watch(ctx context.Context, every time.Duration, events Log) {
	var seen postgres.ViewPosition
	look := func(ctx context.Context) kurrent.Finding {
		position, lag, err := p.lag(ctx, events)
		if err != nil {
			return kurrent.Unclear
		}
		p.metrics.lag.Set(float64(lag))
		moved := position.Commit != seen.Commit || position.Prepare != seen.Prepare
		seen = position
		if lag == 0 || moved {
			return kurrent.Delivering
		}
		return kurrent.Silent
	}
	look(ctx) // the metric has a value from the start
	watch := kurrent.Watch{Every: every, MaxSilent: silentRounds}
	for ctx.Err() == nil {
		err := watch.Run(ctx, look)
		if end := p.end.Load(); end != nil && err != nil {
			(*end)(err)
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
	behind, err = events.CountEvents(ctx, kurrent.Follow{Prefixes: view.Prefixes(), After: after}, maxLag)
	return at, behind, err
}
