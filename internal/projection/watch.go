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

// Watch measures how far the stored view lags behind the log until ctx ends, even while
// storing fails. It ends a session that receives nothing although there are events to
// read.
func (p *Projection) Watch(ctx context.Context) { p.watch(ctx, lagInterval) }

func (p *Projection) watch(ctx context.Context, every time.Duration) {
	var seen postgres.ViewPosition
	look := func(ctx context.Context) kurrent.Finding {
		position, lag, err := p.lag(ctx)
		if err != nil {
			if ctx.Err() == nil {
				p.metrics.CountRetry(RetryLag)
				p.metrics.setLagUnknown()
			}
			return kurrent.Unclear
		}
		p.metrics.setLag(lag)
		moved := position.Commit != seen.Commit || position.Prepare != seen.Prepare
		seen = position
		if lag.Count == 0 || moved {
			return kurrent.Delivering
		}
		return kurrent.Silent
	}
	p.metrics.startLag()
	look(ctx) // the metric has a value from the start
	watch := kurrent.Watch{Every: every, MaxSilent: silentRounds}
	for ctx.Err() == nil {
		err := watch.Run(ctx, look)
		if end := p.end.Load(); end != nil && err != nil {
			(*end)(err)
		}
	}
}

func (p *Projection) lag(ctx context.Context) (at postgres.ViewPosition, behind kurrent.Pending, err error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	if at, err = p.store.Position(ctx, p.name); err != nil {
		return at, behind, err
	}
	after := kurrent.Position{Commit: at.Commit, Prepare: at.Prepare}
	most := maxLag
	if p.untilCaughtUp { // it has no metrics, and reading events twice takes as long as reading them
		most = 1
	}
	behind, err = p.events.PendingEvents(ctx, kurrent.Follow{Prefixes: view.Prefixes(), After: after}, most)
	return at, behind, err
}
