package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/internal/failpoint"
	"orderflow/internal/postgres"
)

const (
	// aliveEvery is how often the server hears of us at least. Its default is to hang up after a minute of silence.
	aliveEvery = 10 * time.Second

	// quietBytes is how far the log may run ahead, with nothing in it for us, before that is confirmed. Each confirmation
	// is written to the mark first and so into the log: without a distance, a server at rest would never come to rest.
	quietBytes = 64 << 10

	// partingTime is for the last report and the end of the stream.
	partingTime = 2 * time.Second
)

// stream follows the log from where it was confirmed. Everything on the link is done by the one goroutine that runs it.
type stream struct {
	*publisher
	link  *postgres.Replication
	lanes *lanes
	mark  postgres.Mark // its position is what the server was told
	alive time.Duration

	answered uint64    // versions, when the mark was last moved
	savedAt  time.Time // when it was
	lookedAt time.Time // when the database last answered
}

// stream publishes what the log brings until ctx ends or the link breaks.
func (p *publisher) stream(ctx context.Context, d *desk, link *postgres.Replication, mark postgres.Mark) error {
	if err := link.Start(ctx); err != nil {
		return err
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l, landed := p.fly(d, phaseStream, mark)
	defer landed()
	defer l.wait()
	defer cancel()
	s := &stream{publisher: p, link: link, lanes: l, mark: mark, alive: aliveEvery}
	if silence := link.Silence(); silence > 0 {
		s.alive = min(s.alive, silence/3)
	}
	p.logger.Info("publishing", "slot", p.slot, "from", mark.Confirmed.String())
	l.window.reach(uint64(mark.Confirmed))
	l.running.Go(func() { p.prune(work, l.window, mark.Publication) })
	err := s.follow(ctx, work)
	if ctx.Err() == nil {
		return err
	}
	s.finish(cancel)
	return nil
}

func (s *stream) follow(ctx, work context.Context) error {
	for {
		change, err := s.receive(ctx)
		if err != nil {
			return err
		}
		if change.Version != nil {
			if err := s.admit(ctx, work, *change.Version); err != nil {
				return err
			}
		}
		if change.Foreign {
			s.metrics.events.WithLabelValues(string(resultIgnored)).Inc()
		}
		if change.Reached > 0 {
			s.lanes.window.reach(uint64(change.Reached))
		}
		if err := s.report(change.ReplyWanted); err != nil {
			return err
		}
	}
}

// receive waits for a message no longer than the next report may. No message is an empty change.
func (s *stream) receive(ctx context.Context) (postgres.Change, error) {
	waiting, cancel := context.WithTimeout(ctx, s.tick())
	defer cancel()
	change, err := s.link.Receive(waiting)
	if errors.Is(err, context.DeadlineExceeded) && waiting.Err() != nil && ctx.Err() == nil {
		return postgres.Change{}, nil
	}
	return change, err
}

func (s *stream) tick() time.Duration { return min(s.pace.Confirm, s.alive) }

// admit sends a version off when there is room. Until then nothing more is read, and the server hears of us all the same.
func (s *stream) admit(ctx, work context.Context, v postgres.Version) error {
	if s.lanes.admit(work, v) {
		return nil
	}
	tick := time.NewTicker(s.tick())
	defer tick.Stop()
	for !s.lanes.admit(work, v) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.lanes.window.room:
		case <-tick.C:
		}
		if err := s.report(false); err != nil {
			return err
		}
	}
	return nil
}

// report moves the mark and then tells the server, when it is time for either. The mark comes first: a position the server
// has and the mark has not is taken for somebody else's doing.
func (s *stream) report(wanted bool) error {
	switch {
	case s.due():
		if err := s.save(); err != nil {
			return err
		}
	case time.Since(s.lookedAt) >= s.alive, wanted && time.Since(s.lookedAt) >= s.pace.Confirm:
		if err := s.look(); err != nil {
			return err
		}
	case !wanted:
		return nil
	}
	err := s.link.Report(s.mark.Confirmed)
	failpoint.Hit("publisher.confirm.after")
	return err
}

// due reports whether the mark has to be moved.
func (s *stream) due() bool {
	reached, answered, _ := s.lanes.window.state()
	ahead := int64(reached) - int64(s.mark.Confirmed)
	return ahead > 0 && time.Since(s.savedAt) >= s.pace.Confirm && (answered != s.answered || ahead >= quietBytes)
}

// look sees to it that the mark is still ours, and that the database answers. A server that shuts down closes its ordinary
// connections first, and then waits for this one to confirm everything, for ever: the session has to end by itself.
func (s *stream) look() error {
	s.lookedAt = time.Now()
	if err := s.checkPublication(context.Background(), s.mark.Publication); err != nil {
		return err
	}
	return s.store.CheckMark(context.Background(), s.mark)
}

// save writes down how far everything is answered, before the server is told. What the publication kept to itself was never
// in flight: that it is still the mark's comes first.
func (s *stream) save() error {
	if err := s.checkPublication(context.Background(), s.mark.Publication); err != nil {
		return err
	}
	reached, answered, _ := s.lanes.window.state()
	mark := s.mark
	mark.Confirmed, mark.SnapshotID = max(mark.Confirmed, postgres.LSN(reached)), max(mark.SnapshotID, s.lanes.window.published())
	failpoint.Hit("publisher.mark.before")
	if err := s.store.SaveMark(context.Background(), mark); err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	failpoint.Hit("publisher.mark.after")
	s.mark, s.answered, s.savedAt = mark, answered, time.Now()
	s.lookedAt = s.savedAt
	return nil
}

// finish lets what is in flight come to an end within the budget, and confirms it.
func (s *stream) finish(cancel context.CancelFunc) {
	budget, done := context.WithTimeout(context.Background(), s.budget)
	defer done()
	for s.lanes.settleFor(budget, s.tick()) && s.report(false) == nil {
		continue
	}
	cancel()
	s.lanes.wait()
	parting, end := context.WithTimeout(context.Background(), partingTime)
	defer end()
	if err := s.save(); err != nil {
		s.logger.Warn("what was published last is not confirmed, and will be looked at again", "error", err)
		return
	}
	if s.link.Report(s.mark.Confirmed) == nil {
		s.link.Stop(parting)
	}
}
