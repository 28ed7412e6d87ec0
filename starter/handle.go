package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/routes"
	"orderflow/internal/streams"
)

const (
	// callTimeout bounds one attempt at an event's effect: a call or two to Temporal, and
	// at most one read.
	callTimeout = 10 * time.Second

	// unplacedWait bounds the wait for an order whose cancellation came first.
	unplacedWait = 30 * time.Second
)

// errHeldTooLong ends a session whose events cannot take effect. The error it is joined
// with says why.
var errHeldTooLong = errors.New("event held for too long")

// handle applies the effect of one event, retrying while that is worthwhile, and then
// acknowledges, parks or returns the event.
func (in *intake) handle(t *heldEvent) {
	in.metrics.inFlight.Inc()
	defer in.metrics.inFlight.Dec()
	d := t.delivery
	outcome, err := in.retryUntilDone(in.work, t)
	if !errors.Is(err, errNotYet) {
		in.waiting.clearRefusals(eventName(d))
	}
	var parked *routes.ParkError
	switch {
	case errors.As(err, &parked):
		outcome = routes.Parked
		if parked.Replied {
			in.obstacles.set(obstacleRefusal, "", in.metrics, in.logger)
		}
		in.logger.Warn("event parked", "event", eventName(d), "reason", parked.Reason)
		failpoint.Hit("starter.park.before")
		err = in.sub.Park(d, parked.Reason)
		failpoint.Hit("starter.park.after")
	case errors.Is(err, errNotYet):
		in.metrics.retries.WithLabelValues(string(heldByServer)).Inc()
		if err := in.sub.Retry(d, err.Error()); err != nil {
			in.end(fmt.Errorf("return event: %w", err))
		}
		return
	case err != nil:
		in.end(err)
		return
	default:
		in.obstacles.set(obstacleRefusal, "", in.metrics, in.logger)
		failpoint.Hit("starter.ack.before")
		err = in.sub.Ack(d)
		failpoint.Hit("starter.ack.after")
	}
	if err != nil {
		in.end(fmt.Errorf("acknowledge: %w", err))
		return
	}
	in.metrics.events.WithLabelValues(string(outcome)).Inc()
}

// retryUntilDone attempts the effect with backoff for as long as the bridge may hold the
// event.
func (b *bridge) retryUntilDone(ctx context.Context, t *heldEvent) (routes.Result, error) {
	defer b.stopWaiting(t)
	began := time.Now()
	for failures := 0; ; failures++ {
		outcome, err := b.attempt(ctx, t.delivery)
		if ctx.Err() != nil {
			return outcome, err
		}
		outcome, done, err := b.nextStep(ctx, t, time.Since(began), outcome, err)
		if done {
			return outcome, err
		}
		b.metrics.retries.WithLabelValues(string(heldByBridge)).Inc()
		b.logger.Debug("retrying event", "event", eventName(t.delivery))
		t.pause(ctx, retryBackoff.Delay(failures))
	}
}

// nextStep decides what follows an attempt at an event that has been held for the given
// time. It reports whether that attempt was the last.
func (b *bridge) nextStep(ctx context.Context, t *heldEvent, held time.Duration, outcome routes.Result, err error) (routes.Result, bool, error) {
	switch meaning := routes.Classify(err); meaning {
	case routes.ClassDone:
		return outcome, true, err
	case routes.ClassConfiguration:
		b.obstacles.set(obstacleRefusal, err.Error(), b.metrics, b.logger)
		return "", true, fmt.Errorf("%w: %w", errBlocked, err)
	case routes.ClassBusy, routes.ClassUndecodable:
		return b.wait(t, meaning, held, err)
	case routes.ClassRefused:
		t.refusals++
		span := b.waiting.refusedFor(eventName(t.delivery))
		if t.refusals < maxRefusals {
			return "", false, nil
		}
		if span >= b.refusalSpan {
			if refused := b.checkRefusal(ctx, err); refused != nil {
				return "", true, refused
			}
		}
		return b.wait(t, meaning, held, err)
	default:
		t.refusals = 0
	}
	switch {
	case errors.Is(err, routes.ErrNotPlaced) && held > min(unplacedWait, b.holdLimit):
		return "", true, routes.ParkAfterReply("%s: the order has not been placed", routes.ReasonOrderUnknown)
	case held > b.holdLimit:
		return "", true, fmt.Errorf("%w: %w", errHeldTooLong, err)
	}
	return "", false, nil
}

// wait keeps an event that Temporal does not take yet, without a slot if there is room,
// until it has to be returned to the server. It reports whether the event is done.
func (b *bridge) wait(t *heldEvent, meaning routes.Class, held time.Duration, cause error) (routes.Result, bool, error) {
	if b.waitWithoutSlot(t, meaning, cause) {
		return routes.Duplicate, true, nil
	}
	if held > b.holdLimit || t.stopped() {
		return "", true, fmt.Errorf("%w: %w", errNotYet, cause)
	}
	return "", false, nil
}

func (b *bridge) attempt(ctx context.Context, d kurrent.Delivery) (routes.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	event, err := b.resolve(ctx, d)
	if err != nil || event == nil {
		return routes.Ignored, err
	}
	return b.router().Apply(ctx, *event)
}

func (b *bridge) router() *routes.Router {
	return &routes.Router{Temporal: b.temporal, Orders: streams.Orders{Client: b.events}, Payloads: b.payloads}
}

// resolve returns the event behind a delivery. It looks up a link that was delivered
// without its target, and a link delivered as an event by a group that does not resolve
// links. It returns nil if the link has no target, or if the target is certainly gone.
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
		return nil, nil // it has no target
	}
	event, err := b.events.ReadLinkTarget(ctx, *link)
	switch {
	case kurrent.IsGone(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &event, nil
}

// eventName returns the position of a delivery for the logs, never its content.
func eventName(d kurrent.Delivery) string {
	if d.Event != nil {
		return fmt.Sprintf("%d@%s", d.Event.Revision, d.Event.Stream)
	}
	return string(d.Link.Data)
}
