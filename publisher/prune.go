package main

import (
	"context"

	"orderflow/internal/backoff"
	"orderflow/internal/postgres"
	"orderflow/publisher/internal/inflight"
)

// prune periodically deletes old published versions from the history until ctx ends. It
// retries failures at the next interval.
func (p *publisher) prune(ctx context.Context, inFlight *inflight.Versions, publication string) {
	if p.retention == 0 {
		return
	}
	for {
		if backoff.Sleep(ctx, p.intervals.Prune) != nil {
			return
		}
		pruned, err := p.pruneOnce(ctx, inFlight, publication)
		if err != nil && ctx.Err() == nil {
			p.metrics.retries.WithLabelValues(retryPrune).Inc()
			p.logger.Warn("prune history failed", "error", err)
		}
		if pruned > 0 {
			p.logger.Info("history pruned", "versions", pruned)
		}
	}
}

// pruneOnce deletes up to the barrier. An id does not show whether its version is
// published, because ids are assigned before their transactions commit. Once everything
// before the barrier's log position is complete, every version up to its id is published
// or set aside, provided that the publication withheld none of them. The barrier is
// written to the log, so pruneOnce skips it if there is nothing to delete.
func (p *publisher) pruneOnce(ctx context.Context, inFlight *inflight.Versions, publication string) (pruned int64, err error) {
	if aged, err := p.history.HasOlderThan(ctx, p.retention); !aged || err != nil {
		return 0, err
	}
	head, below, err := p.barrier(ctx)
	if err != nil {
		return 0, err
	}
	for polls := 0; postgres.LSN(inFlight.State().Reached) < below; polls++ {
		if err := pollBackoff.Wait(ctx, polls); err != nil {
			return 0, err
		}
	}
	if err := p.checkPublication(ctx, publication); err != nil {
		return 0, err
	}
	for batch := (postgres.Pruned{}); ; {
		batch, err = p.history.Prune(ctx, batch.Last, p.retention, head.LastID)
		pruned += batch.Versions
		if err != nil || batch.Versions == 0 {
			return pruned, err
		}
	}
}
