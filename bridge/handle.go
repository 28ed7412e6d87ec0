package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/internal/failpoint"
)

var (
	// errHeldTooLong ends a session whose events cannot take effect. The error it is
	// joined with says why.
	errHeldTooLong = errors.New("event held for too long")

	// errNotYet returns an event to the server, because Temporal does not take it yet.
	errNotYet = errors.New("the event cannot take effect yet")
)

// handle applies the effect of one event, retrying while that is worthwhile, and then
// acknowledges, parks or returns the event.
func (in *intake) handle(t *heldEvent) {
	in.metrics.addInFlight(1)
	defer in.metrics.addInFlight(-1)
	result, err := in.retryUntilDone(in.work, t)
	if !errors.Is(err, errNotYet) {
		in.waiting.clearRefusals(t.name())
	}
	var parked *ParkError
	switch {
	case errors.As(err, &parked):
		in.park(t, parked)
	case errors.Is(err, errNotYet):
		in.metrics.countRetries(heldByServer, 1)
		if err := in.sub.Retry(t.delivery, err.Error()); err != nil {
			in.end(fmt.Errorf("return event: %w", err))
		}
	case err != nil:
		in.end(err)
	default:
		in.acknowledge(t, result)
	}
}

func (in *intake) park(t *heldEvent, parked *ParkError) {
	if parked.Replied {
		in.clearObstacle(obstacleRefusal)
	}
	in.o.Logger.Warn("event parked", "event", t.name(), "reason", parked.Reason)
	failpoint.Hit("starter.park.before")
	err := in.sub.Park(t.delivery, parked.Reason)
	failpoint.Hit("starter.park.after")
	in.count(Parked, err)
}

func (in *intake) acknowledge(t *heldEvent, result Result) {
	in.clearObstacle(obstacleRefusal)
	failpoint.Hit("starter.ack.before")
	err := in.sub.Ack(t.delivery)
	failpoint.Hit("starter.ack.after")
	in.count(result, err)
}

// count counts an event whose outcome the subscription was told, or ends the session.
func (in *intake) count(result Result, err error) {
	if err != nil {
		in.end(fmt.Errorf("acknowledge: %w", err))
		return
	}
	in.metrics.countEvents(result, 1)
}

// retryUntilDone attempts the effect with backoff for as long as the bridge may hold the
// event.
func (in *intake) retryUntilDone(ctx context.Context, t *heldEvent) (Result, error) {
	defer in.stopWaiting(t)
	ctx, span := in.startSpan(ctx, t)
	defer span.End()
	began := time.Now()
	for failures := 0; ; failures++ {
		result, err := in.attempt(ctx, t)
		if ctx.Err() == nil {
			var done bool
			result, done, err = in.nextStep(ctx, t, time.Since(began), result, err)
			if !done {
				in.metrics.countRetries(heldByBridge, 1)
				in.o.Logger.Debug("retrying event", "event", t.name())
				t.pause(ctx, retryBackoff.Delay(failures))
				continue
			}
		}
		endSpan(span, result, err)
		return result, err
	}
}

// nextStep decides what follows an attempt at an event that has been held for the given
// time. It reports whether that attempt was the last.
func (b *Bridge) nextStep(ctx context.Context, t *heldEvent, held time.Duration, result Result, err error) (Result, bool, error) {
	class := Classify(err)
	if class != ClassNotYet {
		t.early = time.Time{} // an outage does not count as waiting in vain
	}
	if class != ClassRefused && class != ClassBusy && class != ClassUndecodable {
		t.refusals = 0
	}
	switch class {
	case ClassDone:
		return result, true, err
	case ClassConfiguration:
		b.setObstacle(obstacleRefusal, err.Error())
		return "", true, fmt.Errorf("%w: %w", errBlocked, err)
	case ClassNotYet:
		return b.awaitOccasion(t, held, err)
	case ClassBusy, ClassUndecodable:
		return b.wait(t, class, held, err)
	case ClassRefused:
		return b.weighRefusal(ctx, t, held, err)
	default:
		if held > b.o.HoldTimeout {
			return "", true, fmt.Errorf("%w: %w", errHeldTooLong, err)
		}
		return "", false, nil
	}
}

// awaitOccasion keeps an event until what it is about exists, and parks it when that has
// taken too long without an outage in between.
func (b *Bridge) awaitOccasion(t *heldEvent, held time.Duration, err error) (Result, bool, error) {
	var early *NotYetError
	errors.As(err, &early)
	if t.early.IsZero() {
		t.early = time.Now()
	}
	if time.Since(t.early) > min(early.Wait, b.o.HoldTimeout/2) {
		return "", true, ParkAfterReply("%s: %s", early.Code, early)
	}
	return b.wait(t, ClassNotYet, held, err)
}

// weighRefusal keeps an event that Temporal refuses, until its refusals say whether the
// event is at fault or the namespace.
func (b *Bridge) weighRefusal(ctx context.Context, t *heldEvent, held time.Duration, err error) (Result, bool, error) {
	t.refusals++
	span := b.waiting.refusedFor(t.name())
	if t.refusals < maxRefusals {
		return "", false, nil
	}
	if span >= b.o.RefusalSpan {
		if refused := b.checkRefusal(ctx, err); refused != nil {
			return "", true, refused
		}
	}
	return b.wait(t, ClassRefused, held, err)
}

// wait keeps an event that cannot take effect yet, without a slot if there is room, until
// it has to be returned to the server. It reports whether the event is done.
func (b *Bridge) wait(t *heldEvent, class Class, held time.Duration, cause error) (Result, bool, error) {
	if b.waitWithoutSlot(t, class, cause) {
		return Duplicate, true, nil
	}
	if held > b.o.HoldTimeout || t.stopped() {
		return "", true, fmt.Errorf("%w: %w", errNotYet, cause)
	}
	return "", false, nil
}

// attempt makes one attempt at an event. An update first takes a slot for updates.
func (in *intake) attempt(ctx context.Context, t *heldEvent) (Result, error) {
	routing, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	event, err := in.resolve(routing, t.delivery)
	if err != nil || event == nil {
		return Ignored, err
	}
	action, result, err := in.o.Router.route(routing, *event)
	if action == nil {
		return result, err
	}
	switch action := action.(type) {
	case Signal:
		t.coalesce = action.Coalesce
	case SignalWithStart:
		t.coalesce = action.Signal.Coalesce
	case UpdateWithStart:
		release, err := in.takeUpdateSlot(ctx, t)
		if err != nil {
			return "", err
		}
		defer release()
	}
	applying, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return in.o.Router.Perform(applying, *event, action)
}
