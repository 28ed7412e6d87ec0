package kurrent

import (
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// ackDelay is how long an acknowledgment waits for others, to be sent in one message with
// them. Each message costs the server and this process as much as an event does. A crash
// within it has the server deliver the events again, as a crash just before it would.
const ackDelay = 25 * time.Millisecond

// ackShare is the part of a consumer's buffer that waits for no more acknowledgments: the
// server sends nothing while the whole buffer is unacknowledged.
const ackShare = 8

// ackBatch is the acknowledgments that wait to be sent. Subscription.acking guards its
// events.
type ackBatch struct {
	events []*kurrentdb.ResolvedEvent
	full   chan struct{} // closed when no more may join
	sent   chan struct{} // closed when err is set
	err    error
}

// Ack acknowledges d, together with others that are acknowledged at about the same time. A
// nil error means that the acknowledgment was sent. If it is lost with the connection, d is
// delivered again.
func (s *Subscription) Ack(d Delivery) error {
	original, err := d.original("ack")
	if err != nil {
		return err
	}
	batch, first := s.joinBatch(original)
	if !first {
		<-batch.sent
		return batch.err
	}
	timer := time.NewTimer(ackDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-batch.full:
	case <-s.ctx.Done():
	}
	s.acking.Lock()
	if s.batch == batch {
		s.batch = nil
	}
	s.acking.Unlock()
	batch.err = s.send("ack", func() error { return s.inner.Ack(batch.events...) })
	close(batch.sent)
	return batch.err
}

// joinBatch adds an event to the batch, and reports whether it is the first: then the
// caller must send the batch.
func (s *Subscription) joinBatch(event *kurrentdb.ResolvedEvent) (batch *ackBatch, first bool) {
	s.acking.Lock()
	defer s.acking.Unlock()
	if first = s.batch == nil; first {
		s.batch = &ackBatch{full: make(chan struct{}), sent: make(chan struct{})}
	}
	batch = s.batch
	batch.events = append(batch.events, event)
	if len(batch.events) >= s.maxBatch {
		close(batch.full)
		s.batch = nil
	}
	return batch, first
}
