package main

import (
	"context"
	"time"

	"orderflow/internal/failpoint"
	"orderflow/internal/postgres"
)

// snapshotPage is how many versions of the history are read at a time.
const snapshotPage = 200

// snapshot publishes what the history holds, in the order of its ids, and leaves to the stream what comes later. It says in
// the mark how far it has got, so one that is interrupted goes on from there.
//
// Nothing can slip between the two. The slot, made before, sends every transaction whose commit stands behind the place
// where it began. One whose commit stands before it may still be invisible for a while, when it waits for a standby, but
// not once the barrier is passed: then every page sees it. A version that appears behind a page, whatever its id, belongs to
// a transaction that committed later, and comes by the stream.
func (p *publisher) snapshot(ctx context.Context, d *desk, mark postgres.Mark) (postgres.Mark, error) {
	began := time.Now()
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l, landed := p.fly(d, phaseSnapshot, mark)
	defer landed()
	defer l.wait()
	defer cancel()
	if _, _, err := p.barrier(ctx); err != nil {
		return mark, err
	}
	head, err := p.store.HistoryHead(ctx) // only now, for what the barrier waited for belongs to it
	if err != nil {
		return mark, err
	}
	for after := mark.SnapshotID; ; {
		page, err := p.store.HistoryPage(ctx, after, head.LastID, snapshotPage)
		if err != nil {
			return mark, err
		}
		if len(page) == 0 {
			break
		}
		for _, v := range page {
			if err := l.admitSoon(ctx, work, v); err != nil {
				return mark, err
			}
			after = v.ID
		}
		l.window.reach(uint64(after))
		if mark, err = p.saveSnapshot(ctx, mark, l.window); err != nil {
			return mark, err
		}
	}
	if err := l.settle(ctx); err != nil {
		return mark, err
	}
	mark.SnapshotID, mark.SnapshotDone = max(mark.SnapshotID, head.LastID), true
	if err := p.writeMark(ctx, mark); err != nil {
		return mark, err
	}
	_, published, _ := l.window.state()
	p.logger.Info("history is published", "versions", published, "seconds", int(time.Since(began).Seconds()))
	return mark, nil
}

// saveSnapshot writes down how far everything has been answered.
func (p *publisher) saveSnapshot(ctx context.Context, mark postgres.Mark, w *window) (postgres.Mark, error) {
	reached, _, _ := w.state()
	if int64(reached) <= mark.SnapshotID {
		return mark, nil
	}
	mark.SnapshotID = int64(reached)
	return mark, p.writeMark(ctx, mark)
}

// writeMark says how far the snapshot is, or that it is done.
func (p *publisher) writeMark(ctx context.Context, mark postgres.Mark) error {
	failpoint.Hit("publisher.snapshot.before")
	err := p.store.SaveMark(ctx, mark)
	if err == nil {
		failpoint.Hit("publisher.snapshot.after")
	}
	return err
}
