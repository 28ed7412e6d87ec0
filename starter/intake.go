package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
)

const (
	// callTimeout bounds one try to give an event its effect: a call or two to Temporal, at most one read.
	callTimeout = 10 * time.Second

	// unplacedWait bounds the wait for an order whose cancellation came first.
	unplacedWait = 30 * time.Second
)

// errPatience ends a session whose events cannot be brought to their effect: the error it wraps says by whose fault.
var errPatience = errors.New("an event has waited for its effect for too long")

// deliveries is the part of a subscription that handling an event needs. The real one is kurrent.Subscription.
type deliveries interface {
	Recv() (kurrent.Delivery, error)
	Ack(kurrent.Delivery) error
	Park(d kurrent.Delivery, reason string) error
	Retry(d kurrent.Delivery, reason string) error
}

// consume hands each delivery to a goroutine of its own, with so many at a time: a server whose messages time out sooner
// than ours sends more than the group's buffer. When ctx ends no more is taken in, and what is in flight has a budget to finish in.
func (b *bridge) consume(ctx context.Context, sub deliveries) error {
	var watching sync.WaitGroup
	defer watching.Wait()
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	var inFlight sync.WaitGroup
	received := make(chan kurrent.Delivery)
	slots := make(chan struct{}, b.concurrency)
	ended := make(chan error, 1)
	var taken atomic.Int64
	go receive(work, sub, slots, received, ended)
	watching.Go(func() { b.inspect(work, cancel) })
	watching.Go(func() { // one slot waits with receive
		b.watch(work, func() (int64, bool) { return taken.Load(), len(slots) > 1 || b.room.occupied() }, cancel)
	})
	err := func() error {
		for {
			select {
			case d := <-received:
				taken.Add(1)
				inFlight.Go(func() {
					t := &heldEvent{delivery: d, release: sync.OnceFunc(func() { <-slots }), stopping: ctx.Done()}
					defer t.release()
					b.handle(work, sub, t, cancel)
				})
			case err := <-ended:
				return err
			case <-work.Done():
				return context.Cause(work)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}()
	if ctx.Err() != nil {
		stop := time.AfterFunc(b.budget, func() { cancel(nil) })
		defer stop.Stop()
	} else {
		cancel(err) // the server has taken back what is in flight, or will: finishing it would only do it twice
	}
	inFlight.Wait()
	return err
}

// receive passes deliveries on, each when there is a slot for it, until the subscription drops or the work is over. Its
// last Recv ends when the caller closes the subscription.
func receive(work context.Context, sub deliveries, slots chan<- struct{}, received chan<- kurrent.Delivery, ended chan<- error) {
	for {
		select {
		case slots <- struct{}{}:
		case <-work.Done():
			return
		}
		d, err := sub.Recv()
		if err != nil {
			ended <- err
			return
		}
		select {
		case received <- d:
		case <-work.Done():
			return
		}
	}
}

// handle gives one event its effect, tries again while that is worth it, and then tells the server.
func (b *bridge) handle(ctx context.Context, sub deliveries, t *heldEvent, giveUp context.CancelCauseFunc) {
	b.metrics.inFlight.Inc()
	defer b.metrics.inFlight.Dec()
	d := t.delivery
	outcome, err := b.insist(ctx, t)
	if !errors.Is(err, errNotYet) {
		b.room.forget(name(d))
	}
	var parked *parkError
	switch {
	case errors.As(err, &parked):
		outcome = resultParked
		if parked.answered {
			b.obstacles.found(obstacleRefusal, "", b.metrics, b.logger)
		}
		b.logger.Warn("event parked", "event", name(d), "reason", parked.reason)
		failpoint.Hit("starter.park.before")
		err = sub.Park(d, parked.reason)
		failpoint.Hit("starter.park.after")
	case errors.Is(err, errNotYet):
		b.metrics.retries.WithLabelValues(string(heldByServer)).Inc()
		if err := sub.Retry(d, err.Error()); err != nil {
			giveUp(fmt.Errorf("give back: %w", err))
		}
		return
	case err != nil:
		giveUp(err)
		return
	default:
		b.obstacles.found(obstacleRefusal, "", b.metrics, b.logger)
		failpoint.Hit("starter.ack.before")
		err = sub.Ack(d)
		failpoint.Hit("starter.ack.after")
	}
	if err != nil {
		giveUp(fmt.Errorf("acknowledge: %w", err))
		return
	}
	b.metrics.events.WithLabelValues(string(outcome)).Inc()
}

// insist repeats the effect with backoff for as long as the server leaves the event with us.
func (b *bridge) insist(ctx context.Context, t *heldEvent) (result, error) {
	defer b.comeBack(t)
	began := time.Now()
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		outcome, err := b.attempt(ctx, t.delivery)
		if ctx.Err() != nil {
			return outcome, err
		}
		outcome, done, err := b.judge(ctx, t, time.Since(began), outcome, err)
		if done {
			return outcome, err
		}
		b.metrics.retries.WithLabelValues(string(heldByBridge)).Inc()
		b.logger.Debug("event is tried again", "event", name(t.delivery))
		t.pause(ctx, wait/2+rand.N(wait/2)) // spread, for what failed together should not come back together
	}
}

// judge decides what follows an attempt at an event that has been held for so long. It reports whether that was the last.
func (b *bridge) judge(ctx context.Context, t *heldEvent, held time.Duration, outcome result, err error) (result, bool, error) {
	switch meaning := answerOf(err); meaning {
	case answerFinal:
		return outcome, true, err
	case answerSetUp:
		b.obstacles.found(obstacleRefusal, err.Error(), b.metrics, b.logger)
		return "", true, fmt.Errorf("%w: %w", errBlocked, err)
	case answerFull, answerUnreadable:
		return b.wait(t, meaning, held, err)
	case answerRefused:
		t.refusals++
		span := b.room.refusedFor(name(t.delivery))
		if t.refusals < maxRefusals {
			return "", false, nil
		}
		if span >= b.refusalSpan {
			if refused := b.refuse(ctx, err); refused != nil {
				return "", true, refused
			}
		}
		return b.wait(t, meaning, held, err)
	default:
		t.refusals = 0
	}
	switch {
	case errors.Is(err, errNotPlaced) && held > min(unplacedWait, b.patience):
		return "", true, parkAnswered("%s: nobody has placed this order", reasonOrderUnknown)
	case held > b.patience:
		return "", true, fmt.Errorf("%w: %w", errPatience, err)
	}
	return "", false, nil
}

// wait keeps an event that Temporal does not take yet, without a slot if there is room, until the server has to get it
// back. It reports whether the event is done with.
func (b *bridge) wait(t *heldEvent, meaning answer, held time.Duration, cause error) (result, bool, error) {
	if b.stepAside(t, meaning, cause) {
		return resultDuplicate, true, nil
	}
	if held > b.patience || t.stopped() {
		return "", true, fmt.Errorf("%w: %w", errNotYet, cause)
	}
	return "", false, nil
}

func (b *bridge) attempt(ctx context.Context, d kurrent.Delivery) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	event, err := b.resolve(ctx, d)
	if err != nil || event == nil {
		return resultIgnored, err
	}
	handler, known := b.routes()[event.Type]
	if !known {
		return resultIgnored, nil
	}
	return handler(ctx, *event)
}

// resolve returns the event a delivery stands for. A link that came without its target is looked up once more, and so is
// one that was delivered as an event, by a group that does not resolve links. Only a target that is certainly gone has no
// effect.
func (b *bridge) resolve(ctx context.Context, d kurrent.Delivery) (*kurrent.Event, error) {
	link := d.Link
	if d.Event != nil {
		if _, _, isLink := kurrent.LinkTarget(*d.Event); !isLink {
			return d.Event, nil
		}
		link = d.Event
	}
	if link == nil {
		return nil, nil
	}
	if _, _, isLink := kurrent.LinkTarget(*link); !isLink {
		return nil, nil // it points nowhere
	}
	event, err := b.events.ReadLinkTarget(ctx, *link)
	switch {
	case errors.Is(err, kurrent.ErrNotFound), errors.Is(err, kurrent.ErrDeleted):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &event, nil
}

// name is how logs call a delivery: where it is, never what it holds.
func name(d kurrent.Delivery) string {
	if d.Event != nil {
		return fmt.Sprintf("%d@%s", d.Event.Revision, d.Event.Stream)
	}
	return string(d.Link.Data)
}
