package main

import (
	"context"
	"time"

	"orderflow/internal/backoff"
	"orderflow/internal/failpoint"
	"orderflow/internal/postgres"
	"orderflow/publisher/internal/inflight"
)

// snapshotPage is how many versions of the history are read at a time.
const snapshotPage = 200

// snapshot publishes the history in the order of its ids, and leaves later versions to
// the stream. It saves its progress in the checkpoint, so an interrupted snapshot
// continues from there.
//
// No version can be missed between the two. The slot, created before, sends every
// transaction whose commit is after the slot's start position. A transaction whose commit
// is before it may stay invisible for a while if it waits for a standby, but not after
// the barrier: from then on every page includes it. A version that appears behind a page,
// whatever its id, belongs to a transaction that committed later, and the stream delivers
// it.
func (p *publisher) snapshot(ctx context.Context, vp *versionPublisher, checkpoint postgres.Checkpoint) (postgres.Checkpoint, error) {
	began := time.Now()
	inFlight, endPhase := p.beginPhase(ctx, vp, phaseSnapshot, checkpoint)
	defer endPhase()
	if _, _, err := p.barrier(ctx); err != nil {
		return checkpoint, err
	}
	head, err := p.history.Head(ctx) // after the barrier, so that it includes what the barrier waited for
	if err != nil {
		return checkpoint, err
	}
	for after := checkpoint.SnapshotID; ; {
		page, err := p.history.Page(ctx, after, head.LastID, snapshotPage)
		if err != nil {
			return checkpoint, err
		}
		if len(page) == 0 {
			break
		}
		for _, v := range page {
			if err := inFlight.EnqueueWait(ctx, v); err != nil {
				return checkpoint, err
			}
			after = v.ID
		}
		inFlight.Reach(uint64(after))
		if checkpoint, err = p.saveSnapshot(ctx, checkpoint, inFlight); err != nil {
			return checkpoint, err
		}
	}
	if err := inFlight.Drain(ctx); err != nil {
		return checkpoint, err
	}
	checkpoint.SnapshotID, checkpoint.SnapshotDone = max(checkpoint.SnapshotID, head.LastID), true
	if err := p.writeCheckpoint(ctx, checkpoint); err != nil {
		return checkpoint, err
	}
	p.logger.Info("history published", "versions", inFlight.State().Completed, "seconds", int(time.Since(began).Seconds()))
	return checkpoint, nil
}

// saveSnapshot saves the id up to which every version is complete.
func (p *publisher) saveSnapshot(ctx context.Context, checkpoint postgres.Checkpoint, inFlight *inflight.Versions) (postgres.Checkpoint, error) {
	through := int64(inFlight.State().Reached)
	if through <= checkpoint.SnapshotID {
		return checkpoint, nil
	}
	checkpoint.SnapshotID = through
	return checkpoint, p.writeCheckpoint(ctx, checkpoint)
}

// writeCheckpoint saves how far the snapshot has got or that it is done.
func (p *publisher) writeCheckpoint(ctx context.Context, checkpoint postgres.Checkpoint) error {
	failpoint.Hit("publisher.snapshot.before")
	err := p.state.AdvanceCheckpoint(ctx, checkpoint)
	if err == nil {
		failpoint.Hit("publisher.snapshot.after")
	}
	return err
}

// pollBackoff is the backoff between queries for something that is about to happen.
var pollBackoff = backoff.Exponential{Min: 20 * time.Millisecond, Max: 5 * time.Second}

// barrier notes the end of the history and waits until every transaction that was open
// then has ended. After that none of them can add a version below that end, and every
// version that they added is below the returned log position. It takes as long as the
// longest of them.
func (p *publisher) barrier(ctx context.Context) (postgres.HistoryHead, postgres.LSN, error) {
	head, err := p.history.Head(ctx)
	if err != nil {
		return head, 0, err
	}
	began, logged := time.Now(), false
	for polls := 0; ; polls++ {
		settled, below, err := p.history.Settled(ctx, head)
		if settled || err != nil {
			return head, below, err
		}
		if time.Since(began) > pollBackoff.Max && !logged {
			logged = true
			p.logger.Info("waiting for long-running transactions")
		}
		if err := pollBackoff.Wait(ctx, polls); err != nil {
			return head, 0, err
		}
	}
}
