package main

import (
	"context"

	"orderflow/internal/postgres"
)

// prune drops versions from the history that were published and are old, now and again until ctx ends. What it cannot do
// now it does later.
func (p *publisher) prune(ctx context.Context, w *window, publication string) {
	if p.retention == 0 {
		return
	}
	for {
		if pause(ctx, p.pace.Prune); ctx.Err() != nil {
			return
		}
		pruned, err := p.pruneOnce(ctx, w, publication)
		if err != nil && ctx.Err() == nil {
			p.logger.Warn("history cannot be pruned now", "error", err)
		}
		if pruned > 0 {
			p.logger.Info("history pruned", "versions", pruned)
		}
	}
}

// pruneOnce goes by the barrier, for an id says nothing about whether its version is published: ids are given out before
// their transactions commit. Once everything up to the barrier's place in the log is answered, every version up to its id
// is published or set aside, if the publication kept none of them to itself. The barrier is written to the log: without anything to drop there is none.
func (p *publisher) pruneOnce(ctx context.Context, w *window, publication string) (pruned int64, err error) {
	if aged, err := p.store.HasAged(ctx, p.retention); !aged || err != nil {
		return 0, err
	}
	head, below, err := p.barrier(ctx)
	if err != nil {
		return 0, err
	}
	for wait := firstLook; !answered(w, below); wait = min(2*wait, lastLook) {
		if pause(ctx, wait); ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	if err := p.checkPublication(ctx, publication); err != nil {
		return 0, err
	}
	for {
		n, err := p.store.PruneHistory(ctx, p.retention, head.LastID)
		pruned += n
		if err != nil || n == 0 {
			return pruned, err
		}
	}
}

func answered(w *window, below postgres.LSN) bool {
	reached, _, _ := w.state()
	return postgres.LSN(reached) >= below
}
