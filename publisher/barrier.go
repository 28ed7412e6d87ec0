package main

import (
	"context"
	"time"

	"orderflow/internal/postgres"
)

// Waits between queries of the database, doubling.
const (
	minPollWait = 20 * time.Millisecond
	maxPollWait = 5 * time.Second
)

// barrier notes the end of the history and waits until every transaction that was open
// then has ended. After that none of them can add a version below that end, and every
// version that they added is below the returned log position. It takes as long as the
// longest of them.
func (p *publisher) barrier(ctx context.Context) (postgres.HistoryHead, postgres.LSN, error) {
	head, err := p.store.HistoryHead(ctx)
	if err != nil {
		return head, 0, err
	}
	for wait, logged := minPollWait, false; ; wait = min(2*wait, maxPollWait) {
		settled, below, err := p.store.Settled(ctx, head)
		if settled || err != nil {
			return head, below, err
		}
		if wait == maxPollWait && !logged {
			logged = true
			p.logger.Info("waiting for long-running transactions")
		}
		if pause(ctx, wait); ctx.Err() != nil {
			return head, 0, ctx.Err()
		}
	}
}
