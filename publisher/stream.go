package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"orderflow/internal/failpoint"
	"orderflow/internal/postgres"
	"orderflow/publisher/internal/inflight"
)

const (
	// keepaliveInterval is the longest time between two reports to the server. By default
	// the server disconnects after a minute of silence.
	keepaliveInterval = 10 * time.Second

	// idleBytes is how far the log may run ahead, with nothing in it for us, before that
	// position is confirmed. Each confirmation is written to the checkpoint first and so
	// into the log: without a minimum distance, an idle server would never become idle.
	idleBytes = 64 << 10

	// stopTimeout bounds the last report and the end of the stream.
	stopTimeout = 2 * time.Second
)

// stream follows the log from the confirmed position. Only the goroutine that runs it
// uses the replication connection.
type stream struct {
	*publisher
	replication *postgres.Replication
	inFlight    *inflight.Versions
	checkpoint  postgres.Checkpoint // Confirmed is the last position reported to the server
	keepalive   time.Duration

	completed uint64    // versions, when the checkpoint was last moved
	savedAt   time.Time // when the checkpoint was last moved
	checkedAt time.Time // when the database last responded
}

// stream publishes changes from the log until ctx ends or the replication connection is
// lost.
func (p *publisher) stream(ctx context.Context, vp *versionPublisher, replication *postgres.Replication, checkpoint postgres.Checkpoint) error {
	if err := replication.Start(ctx); err != nil {
		return err
	}
	inFlight, endPhase := p.beginPhase(ctx, vp, phaseStream, checkpoint)
	defer endPhase()
	s := &stream{publisher: p, replication: replication, inFlight: inFlight, checkpoint: checkpoint, keepalive: keepaliveInterval}
	if silence := replication.Silence(); silence > 0 {
		s.keepalive = min(s.keepalive, silence/3)
	}
	p.logger.Info("publishing", "slot", p.slot, "from", checkpoint.Confirmed.String())
	inFlight.Reach(uint64(checkpoint.Confirmed))
	var pruning sync.WaitGroup
	defer pruning.Wait()
	pruneCtx, stopPruning := context.WithCancel(ctx)
	defer stopPruning()
	pruning.Go(func() { p.prune(pruneCtx, inFlight, checkpoint.Publication) })
	err := s.follow(ctx)
	if ctx.Err() == nil {
		return err
	}
	s.finish()
	return nil
}

// follow queues each version that the server sends, and keeps the server informed, until
// ctx ends or the connection is lost.
func (s *stream) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.followTick(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// followTick follows the log until the next report is due. All messages that arrive in
// that time share a context, because a busy log has thousands a second.
func (s *stream) followTick(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, s.tick())
	defer cancel()
	for waiting.Err() == nil {
		change, err := s.receive(ctx, waiting)
		if err != nil {
			return err
		}
		if change.Version != nil {
			if err := s.enqueue(ctx, *change.Version); err != nil {
				return err
			}
		}
		if change.Foreign {
			s.metrics.events.WithLabelValues(string(resultIgnored)).Inc()
		}
		if change.Reached > 0 {
			s.inFlight.Reach(uint64(change.Reached))
		}
		if err := s.report(change.ReplyWanted); err != nil {
			return err
		}
	}
	return nil
}

// receive waits for a message until waiting ends. If there is none, it returns an empty
// change.
func (s *stream) receive(ctx, waiting context.Context) (postgres.Change, error) {
	change, err := s.replication.Receive(waiting)
	if errors.Is(err, context.DeadlineExceeded) && waiting.Err() != nil && ctx.Err() == nil {
		return postgres.Change{}, nil
	}
	return change, err
}

func (s *stream) tick() time.Duration { return min(s.intervals.Confirm, s.keepalive) }

// enqueue queues a version as soon as there is room. Until then nothing more is read, but
// reports still go to the server.
func (s *stream) enqueue(ctx context.Context, v postgres.Version) error {
	if s.inFlight.Enqueue(v) {
		return nil
	}
	tick := time.NewTicker(s.tick())
	defer tick.Stop()
	for !s.inFlight.Enqueue(v) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.inFlight.Freed():
		case <-tick.C:
		}
		if err := s.report(false); err != nil {
			return err
		}
	}
	return nil
}

// report moves the checkpoint and then reports to the server, if either is due. The
// checkpoint must come first: if the server's position is ahead of the checkpoint, the
// slot is assumed to have been moved by another program.
func (s *stream) report(wanted bool) error {
	switch {
	case s.checkpointDue():
		if err := s.saveCheckpoint(); err != nil {
			return err
		}
	case time.Since(s.checkedAt) >= s.keepalive, wanted && time.Since(s.checkedAt) >= s.intervals.Confirm:
		if err := s.check(); err != nil {
			return err
		}
	case !wanted:
		return nil
	}
	err := s.replication.Report(s.checkpoint.Confirmed)
	failpoint.Hit("publisher.confirm.after")
	return err
}

// checkpointDue reports whether the checkpoint must be moved.
func (s *stream) checkpointDue() bool {
	published := s.inFlight.State()
	ahead := int64(published.Reached) - int64(s.checkpoint.Confirmed)
	return ahead > 0 && time.Since(s.savedAt) >= s.intervals.Confirm && (published.Completed != s.completed || ahead >= idleBytes)
}

// check returns an error unless the checkpoint still belongs to this publisher and the
// database responds. A server that shuts down closes its ordinary connections first, and
// then waits without limit for this one to confirm everything: so the session must end of
// its own accord.
func (s *stream) check() error {
	s.checkedAt = time.Now()
	if err := s.checkPublication(context.Background(), s.checkpoint.Publication); err != nil {
		return err
	}
	return s.state.VerifyCheckpoint(context.Background(), s.checkpoint)
}

// saveCheckpoint saves the position before which every version is complete. It must run
// before that position is reported. It first checks that the publication is unchanged,
// because versions that a publication withholds are never in flight.
func (s *stream) saveCheckpoint() error {
	if err := s.checkPublication(context.Background(), s.checkpoint.Publication); err != nil {
		return err
	}
	published := s.inFlight.State()
	checkpoint := s.checkpoint
	checkpoint.Confirmed = max(checkpoint.Confirmed, postgres.LSN(published.Reached))
	checkpoint.SnapshotID = max(checkpoint.SnapshotID, s.inFlight.Published())
	failpoint.Hit("publisher.mark.before")
	if err := s.state.AdvanceCheckpoint(context.Background(), checkpoint); err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	failpoint.Hit("publisher.mark.after")
	s.checkpoint, s.completed, s.savedAt = checkpoint, published.Completed, time.Now()
	s.checkedAt = s.savedAt
	return nil
}

// finish waits for what is in flight, within the shutdown timeout, and confirms it.
func (s *stream) finish() {
	drainCtx, done := context.WithTimeout(context.Background(), s.shutdownTimeout)
	defer done()
	for !s.drainTick(drainCtx) && drainCtx.Err() == nil && s.report(false) == nil {
		continue
	}
	s.inFlight.Stop()
	if err := s.saveCheckpoint(); err != nil {
		s.logger.Warn("last published versions not confirmed, they will be checked again", "error", err)
		return
	}
	stopCtx, end := context.WithTimeout(context.Background(), stopTimeout)
	defer end()
	if s.replication.Report(s.checkpoint.Confirmed) == nil {
		s.replication.Stop(stopCtx)
	}
}

// drainTick waits until nothing is in flight or the next report is due, and reports
// whether nothing is in flight.
func (s *stream) drainTick(ctx context.Context) bool {
	waiting, cancel := context.WithTimeout(ctx, s.tick())
	defer cancel()
	return s.inFlight.Drain(waiting) == nil
}
