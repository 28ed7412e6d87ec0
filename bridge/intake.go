package bridge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"orderflow/internal/kurrent"
)

// deliveries is the part of a subscription that handling events needs.
// kurrent.Subscription implements it.
type deliveries interface {
	Recv() (kurrent.Delivery, error)
	Ack(kurrent.Delivery) error
	Park(d kurrent.Delivery, reason string) error
	Retry(d kurrent.Delivery, reason string) error
}

// intake takes the events of one session and handles them concurrently. It limits how many
// run at a time: a server whose messages time out sooner than ours sends more than the
// group's buffer.
type intake struct {
	*Bridge
	sub      deliveries
	work     context.Context         // of the events in hand
	end      context.CancelCauseFunc // ends work, and so the session
	slots    chan struct{}           // taken by each event in hand unless it waits, and by receive while it waits
	updates  chan struct{}           // taken by each update in progress
	idle     chan kurrent.Delivery   // to a handler without an event
	taken    atomic.Int64            // deliveries
	handlers sync.WaitGroup          // goroutines that handle events
	handling atomic.Int64            // events in hand
}

// consume handles deliveries until the subscription drops, a check or an event ends the
// session, or ctx ends.
func (b *Bridge) consume(ctx context.Context, sub deliveries) error {
	work, end := context.WithCancelCause(context.WithoutCancel(ctx))
	in := &intake{
		Bridge: b, sub: sub, work: work, end: end,
		slots: make(chan struct{}, b.o.Concurrency), updates: make(chan struct{}, b.o.UpdateConcurrency),
		idle: make(chan kurrent.Delivery),
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	defer end(nil)
	watching.Go(func() { b.inspect(work, end) })
	watching.Go(func() { b.watch(work, in.activity, end) })
	err := in.take(ctx)
	in.finish(ctx, err)
	return err
}

// arrival is what the subscription delivered, or why it ended.
type arrival struct {
	delivery kurrent.Delivery
	err      error
}

// take begins to handle each delivery, and returns why the session ends.
func (in *intake) take(ctx context.Context) error {
	arrivals := make(chan arrival)
	go in.receive(arrivals)
	for {
		select {
		case next := <-arrivals:
			if next.err != nil {
				return next.err
			}
			in.begin(ctx, next.delivery)
		case <-in.work.Done():
			return context.Cause(in.work)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// receive passes on each delivery when a slot is free, until the subscription drops or
// work ends. Its last Recv ends when the caller closes the subscription.
func (in *intake) receive(arrivals chan<- arrival) {
	for {
		select {
		case in.slots <- struct{}{}:
		case <-in.work.Done():
			return
		}
		var next arrival
		next.delivery, next.err = in.sub.Recv()
		select {
		case arrivals <- next:
		case <-in.work.Done():
			return
		}
		if next.err != nil {
			return
		}
	}
}

// begin passes a delivery to an idle handler, or to a new one. A handler is kept for the
// session: a call to Temporal needs a deep stack, and growing that for each event would
// cost a fifth of the bridge's time. begin owns the slot that receive has taken.
func (in *intake) begin(ctx context.Context, d kurrent.Delivery) {
	in.taken.Add(1)
	in.handling.Add(1)
	select {
	case in.idle <- d:
	default:
		in.handlers.Go(func() {
			for ok := true; ok; d, ok = <-in.idle {
				in.handleOne(ctx, d)
			}
		})
	}
}

func (in *intake) handleOne(ctx context.Context, d kurrent.Delivery) {
	defer in.handling.Add(-1)
	t := &heldEvent{delivery: d, release: sync.OnceFunc(func() { <-in.slots }), stopping: ctx.Done()}
	defer t.release()
	in.handle(t)
}

// activity returns how many deliveries have arrived, and reports whether any is in hand.
func (in *intake) activity() (taken int64, busy bool) {
	return in.taken.Load(), in.handling.Load() > 0
}

// finish waits for the events in hand. When ctx has ended, they have drainTimeout to
// finish. Otherwise they are abandoned: the server redelivers them, and finishing them
// would only do it twice.
func (in *intake) finish(ctx context.Context, err error) {
	close(in.idle)
	if ctx.Err() != nil {
		stop := time.AfterFunc(in.o.DrainTimeout, func() { in.end(nil) })
		defer stop.Stop()
	} else {
		in.end(err)
	}
	in.handlers.Wait()
}
