package main

import (
	"context"
	"time"

	"orderflow/internal/postgres"
)

// Waits between looks at the database, doubling.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = 5 * time.Second
)

// barrier notes the end of the history, and waits until every transaction has ended that was under way then. After that
// none of them can bring a version below that end any more, and all that did are below the place in the log that comes
// with it. It takes as long as the longest of them.
func (p *publisher) barrier(ctx context.Context) (postgres.HistoryHead, postgres.LSN, error) {
	head, err := p.store.HistoryHead(ctx)
	if err != nil {
		return head, 0, err
	}
	for wait, said := firstLook, false; ; wait = min(2*wait, lastLook) {
		settled, below, err := p.store.Settled(ctx, head)
		if settled || err != nil {
			return head, below, err
		}
		if wait == lastLook && !said {
			said = true
			p.logger.Info("waiting for transactions that have been under way for a while")
		}
		if pause(ctx, wait); ctx.Err() != nil {
			return head, 0, ctx.Err()
		}
	}
}
