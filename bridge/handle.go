package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"

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
		in.waiting.forget(t.name())
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
		in.metrics.recordDelay(t.delivery.Event, result)
		in.acknowledge(t, result)
	}
}

func (in *intake) park(t *heldEvent, parked *ParkError) {
	if parked.Replied {
		in.clearObstacle(obstacleRefusal)
	}
	in.o.Logger.WarnContext(t.traced(in.work), "event parked", "event", t.name(), "reason", parked.Reason)
	failpoint.Hit("starter.park.before")
	err := in.sub.Park(t.delivery, parked.Reason)
	failpoint.Hit("starter.park.after")
	in.count(Parked, err)
}

func (in *intake) acknowledge(t *heldEvent, result Result) {
	if result != Ignored { // Temporal has replied
		in.clearObstacle(obstacleRefusal)
	}
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
	t.began = time.Now()
	for failures := 0; ; failures++ {
		result, err := in.attempt(ctx, t)
		if ctx.Err() == nil {
			var done bool
			result, done, err = in.nextStep(ctx, t, time.Since(t.began), result, err)
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
	if class == ClassConfiguration && b.isAboutEvent(ctx, err) {
		class = ClassRefused
	}
	b.waiting.forgetOthers(t, class)
	switch {
	case class == ClassDone:
		return result, true, err
	case class == ClassConfiguration:
		b.setObstacle(obstacleRefusal, ServerMessage(err))
		return "", true, fmt.Errorf("%w: %w", errBlocked, err)
	case t.slotless && t.stopped(): // it is not among those that a drain finishes
		return "", true, fmt.Errorf("%w: %w", errNotYet, err)
	}
	switch class {
	case ClassNotYet:
		return b.awaitOccasion(t, held, err)
	case ClassBusy, ClassUndecodable:
		return b.wait(t, class, held, err)
	case ClassRefused:
		return b.weighRefusal(ctx, t, held, err)
	default:
		return b.weighFailure(ctx, t, held, err)
	}
}

// weighFailure tells an outage of Temporal, which ends the session when it lasts, from a
// failure of this event, which waits without holding up others.
func (b *Bridge) weighFailure(ctx context.Context, t *heldEvent, held time.Duration, err error) (Result, bool, error) {
	t.failures++
	if t.slotless || t.failures%maxRefusals == 0 && b.checkNamespace(ctx) == nil {
		return b.wait(t, ClassRetry, held, err)
	}
	if held > b.o.HoldTimeout {
		return "", true, fmt.Errorf("%w: %w", errHeldTooLong, err)
	}
	return "", false, nil
}

// isAboutEvent reports whether a refusal that usually concerns the namespace concerns this
// event alone, for the namespace is as it should be.
func (b *Bridge) isAboutEvent(ctx context.Context, refusal error) bool {
	var invalid *serviceerror.InvalidArgument
	return errors.As(refusal, &invalid) && b.checkNamespace(ctx) == nil
}

// awaitOccasion keeps an event until what it is about exists, and parks it when that has
// taken too long without an outage in between.
func (b *Bridge) awaitOccasion(t *heldEvent, held time.Duration, err error) (Result, bool, error) {
	var early *NotYetError
	errors.As(err, &early)
	wait := cmp.Or(early.Wait, WorkflowWait)
	if early.forEvent {
		wait += b.o.Subscription.MessageTimeout + b.o.HoldTimeout
	} else {
		wait = min(wait, b.o.HoldTimeout/2)
	}
	if b.waiting.earlyFor(t.name()) > wait {
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
	t.coalesce = ""
	switch action := action.(type) {
	case Signal:
		t.coalesce = action.key()
	case SignalWithStart:
		t.coalesce = action.Signal.key()
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
