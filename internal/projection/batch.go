package projection

import (
	"time"

	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
)

const (
	// maxBatch limits the changes stored in one transaction. While the log is read faster
	// than they are stored, that many changes share the cost of a commit.
	maxBatch = 1000

	// maxBatchBytes limits the size of the event bodies behind one transaction's changes,
	// and so the memory: one batch is stored while the next one is gathered.
	maxBatchBytes = 8 << 20

	// maxGather is how long a whole batch may take to fill. A log that is slow or pauses
	// must not look like a silent one.
	maxGather = time.Second

	// readAhead limits the steps that are read but not yet in a batch. An event may have
	// 256 KiB.
	readAhead = 32
)

// step is a position in the log and the change at it, if any.
type step struct {
	position kurrent.Position // zero if unknown
	change   *view.Change     // nil if nothing changes
	written  time.Time        // of the event; zero if there is none
	size     int              // of the event's body, in bytes
	caughtUp bool
}

func stepOf(s kurrent.Step) step {
	next := step{position: s.Position, caughtUp: s.CaughtUp}
	if s.Event == nil {
		return next
	}
	next.written, next.size = s.Event.Created, len(s.Event.Data)
	change, relevant := view.Decode(view.Event{
		Stream: s.Event.Stream, Revision: s.Event.Revision, Type: s.Event.Type, ContentType: s.Event.ContentType,
		Data: s.Event.Data, Metadata: s.Event.Metadata, Written: s.Event.Created,
	})
	if relevant {
		next.change = &change
	}
	return next
}

// batch is stored in one transaction.
type batch struct {
	changes  []view.Change
	size     int // of the event bodies behind the changes, in bytes
	steps    int
	events   int       // steps that are an event
	began    time.Time // when the first step arrived
	to       postgres.ViewPosition
	caughtUp bool
}

func (b *batch) full(limit int) bool {
	return len(b.changes) >= limit || b.size >= maxBatchBytes || b.caughtUp
}

// gatherer turns steps into batches while the consumer stores the previous one.
type gatherer struct {
	steps   <-chan step
	batches chan<- batch

	limit int  // of changes in the next batch; doubles with each, up to maxBatch
	whole bool // wait for full batches: throughput matters, and the delay of an event does not
}

// run sends the steps that follow a position in batches, and returns after the last step.
// A batch contains what arrived while the previous one was stored, so a busy log makes
// large batches and an event of an idle log is stored at once.
func (g gatherer) run(from postgres.ViewPosition) {
	b := batch{to: from}
	overdue := time.NewTimer(maxGather)
	defer overdue.Stop()
	for open := true; open || b.steps > 0; {
		in, out := g.steps, g.batches
		if b.full(g.limit) {
			in = nil
		}
		if b.steps == 0 || open && g.whole && !b.full(g.limit) && time.Since(b.began) < maxGather {
			out = nil
		}
		var next step
		select {
		case next, open = <-in:
			if !open {
				g.steps = nil
				break
			}
			if b.add(next); b.steps == 1 {
				overdue.Reset(maxGather)
			}
		case <-overdue.C: // a log that pauses must not hold back what was read before
		case out <- b:
			b, g.limit = batch{to: b.to}, min(maxBatch, 2*g.limit)
		}
	}
}

func (b *batch) add(s step) {
	if b.steps == 0 {
		b.began = time.Now()
	}
	b.steps++
	b.caughtUp = b.caughtUp || s.caughtUp
	if s.position != (kurrent.Position{}) {
		b.to.Commit, b.to.Prepare = s.position.Commit, s.position.Prepare
	}
	if s.written.IsZero() {
		return
	}
	b.events++
	b.size += s.size
	b.to.EventAt = s.written
	if s.change != nil {
		b.changes = append(b.changes, *s.change)
	}
}
