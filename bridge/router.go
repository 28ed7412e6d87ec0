package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"orderflow/internal/temporalclient"
)

// callTimeout bounds one attempt at an event's effect: a call or two to Temporal, and
// what the route reads.
const callTimeout = 10 * time.Second

// Router applies events to Temporal, one attempt at a time. A Bridge has one. By itself
// it applies events that never reached a bridge. It is safe for concurrent use.
type Router struct {
	Temporal client.Client
	Routes   Routes

	// Namespace and DataConverter are those of Temporal's options, if they are set there.
	Namespace     string
	DataConverter converter.DataConverter

	Logger *slog.Logger // of panics in routes; nil means the Bridge's, or none without a Bridge

	// Done reports whether an event took effect before, and is asked before its route. It
	// is for events that may be delivered again after Temporal's retention has deleted
	// their closed workflows, as all of them are when a group is created anew: record
	// there what must not run twice. Any error is an outage. Nil means that Temporal alone
	// decides.
	Done func(ctx context.Context, event Event) (bool, error)
}

// attempt is one attempt at an event.
type attempt struct {
	temporal client.Client
	payloads temporalclient.Payloads
	event    Event
}

func (r *Router) attempt(event Event) *attempt {
	options := client.Options{Namespace: r.Namespace, DataConverter: r.DataConverter}
	return &attempt{temporal: r.Temporal, payloads: temporalclient.NewPayloads(options), event: event}
}

// Apply makes one attempt at an event, in the event's trace. It returns Ignored for a type
// without a route. What an error means, Classify says.
func (r *Router) Apply(ctx context.Context, event Event) (Result, error) {
	ctx = event.context(ctx)
	action, result, err := r.route(ctx, event)
	if action == nil {
		return result, err
	}
	return r.Perform(ctx, event, action)
}

// Perform applies one action, without a route, for an event that may be none: then it must
// not be a Start or an UpdateWithStart, which take the event's id.
func (r *Router) Perform(ctx context.Context, event Event, action Action) (result Result, err error) {
	defer r.recoverPanic(event, &result, &err)
	return action.apply(ctx, r.attempt(event))
}

// route returns what the event does. Without an action, the result and the error are the
// outcome.
func (r *Router) route(ctx context.Context, event Event) (action Action, result Result, err error) {
	defer r.recoverPanic(event, &result, &err)
	route, known := r.Routes[event.Type]
	if !known {
		return nil, Ignored, nil
	}
	if r.Done != nil {
		switch done, err := r.Done(ctx, event); {
		case err != nil:
			return nil, "", fmt.Errorf("ask whether the event is done: %w", err)
		case done:
			return nil, Duplicate, nil
		}
	}
	returned, err := route(ctx, event)
	if err != nil {
		return nil, "", usable(err, event)
	}
	if action = valueOf(returned); action == nil {
		return nil, "", Park("%s: the route of %.64s returned no action", ReasonRoute, event.Type)
	}
	return action, "", nil
}

// recoverPanic makes a panic of a route or of its functions a ParkError: it would end the
// process again at each delivery. The panic may quote the event, so only the place is
// logged.
func (r *Router) recoverPanic(event Event, result *Result, err *error) {
	if recover() != nil {
		*result, *err = "", Park("%s: the route of %.64s panicked", ReasonRoute, event.Type)
		loggerOr(r.Logger).Error("route panicked", "type", event.Type, "stack", string(debug.Stack()))
	}
}

// usable returns err, unless it is a nil pointer to an error of this package.
func usable(err error, event Event) error {
	var parked *ParkError
	var early *NotYetError
	if errors.As(err, &parked) && parked == nil || errors.As(err, &early) && early == nil {
		return Park("%s: the route of %.64s returned an error that is nil", ReasonRoute, event.Type)
	}
	return err
}

// valueOf returns what a pointer to an action points to, and nil for nil.
func valueOf(action Action) Action {
	switch a := action.(type) {
	case *Start:
		return dereference(a)
	case *Signal:
		return dereference(a)
	case *SignalWithStart:
		return dereference(a)
	case *UpdateWithStart:
		return dereference(a)
	case *Ignore:
		return dereference(a)
	default:
		return action
	}
}

func dereference[A Action](a *A) Action {
	if a == nil {
		return nil
	}
	return *a
}

func loggerOr(logger *slog.Logger) *slog.Logger {
	if logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return logger
}

func (Ignore) apply(context.Context, *attempt) (Result, error) { return Ignored, nil }
