package main

import (
	"context"
	"time"

	"orderflow/internal/failpoint"
	"orderflow/internal/postgres"
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
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	queues, endPhase := p.beginPhase(vp, phaseSnapshot, checkpoint)
	defer endPhase()
	defer queues.wait()
	defer cancel()
	if _, _, err := p.barrier(ctx); err != nil {
		return checkpoint, err
	}
	head, err := p.store.HistoryHead(ctx) // after the barrier, so that it includes what the barrier waited for
	if err != nil {
		return checkpoint, err
	}
	for after := checkpoint.SnapshotID; ; {
		page, err := p.store.HistoryPage(ctx, after, head.LastID, snapshotPage)
		if err != nil {
			return checkpoint, err
		}
		if len(page) == 0 {
			break
		}
		for _, v := range page {
			if err := queues.enqueueWait(ctx, work, v); err != nil {
				return checkpoint, err
			}
			after = v.ID
		}
		queues.window.reach(uint64(after))
		if checkpoint, err = p.saveSnapshot(ctx, checkpoint, queues.window); err != nil {
			return checkpoint, err
		}
	}
	if err := queues.drain(ctx); err != nil {
		return checkpoint, err
	}
	checkpoint.SnapshotID, checkpoint.SnapshotDone = max(checkpoint.SnapshotID, head.LastID), true
	if err := p.writeCheckpoint(ctx, checkpoint); err != nil {
		return checkpoint, err
	}
	_, published, _ := queues.window.state()
	p.logger.Info("history published", "versions", published, "seconds", int(time.Since(began).Seconds()))
	return checkpoint, nil
}

// saveSnapshot saves the id up to which every version is complete.
func (p *publisher) saveSnapshot(ctx context.Context, checkpoint postgres.Checkpoint, w *window) (postgres.Checkpoint, error) {
	reached, _, _ := w.state()
	if int64(reached) <= checkpoint.SnapshotID {
		return checkpoint, nil
	}
	checkpoint.SnapshotID = int64(reached)
	return checkpoint, p.writeCheckpoint(ctx, checkpoint)
}

// writeCheckpoint saves how far the snapshot has got or that it is done.
func (p *publisher) writeCheckpoint(ctx context.Context, checkpoint postgres.Checkpoint) error {
	failpoint.Hit("publisher.snapshot.before")
	err := p.store.SaveCheckpoint(ctx, checkpoint)
	if err == nil {
		failpoint.Hit("publisher.snapshot.after")
	}
	return err
}
