package bridge

import (
	"context"
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

	Logger *slog.Logger // of panics in routes; nil logs nothing

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

// Apply makes one attempt at an event. It returns Ignored for a type without a route.
// What an error means, Classify says.
func (r *Router) Apply(ctx context.Context, event Event) (Result, error) {
	action, result, err := r.route(ctx, event)
	if action == nil {
		return result, err
	}
	return r.Perform(ctx, event, action)
}

// Perform applies one action, without a route, for an event that may be none: then it must
// not be a Start or an UpdateWithStart, which take the event's id.
func (r *Router) Perform(ctx context.Context, event Event, action Action) (Result, error) {
	return r.attempt(event).apply(ctx, action)
}

// route returns what the event does. Without an action, the result and the error are the
// outcome.
func (r *Router) route(ctx context.Context, event Event) (Action, Result, error) {
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
	action, err := r.call(ctx, route, event)
	switch {
	case err != nil:
		return nil, "", err
	case action == nil:
		return nil, "", Park("%s: the route of %.64s returned no action", ReasonRoute, event.Type)
	}
	return action, "", nil
}

// call returns a panic as a ParkError: it would end the process again at each delivery.
func (r *Router) call(ctx context.Context, route Route, event Event) (action Action, err error) {
	defer func() {
		if recover() != nil { // the reason may quote the event, so only the place is logged
			err = Park("%s: the route of %.64s panicked", ReasonRoute, event.Type)
			loggerOr(r.Logger).Error("route panicked", "type", event.Type, "stack", string(debug.Stack()))
		}
	}()
	return route(ctx, event)
}

func loggerOr(logger *slog.Logger) *slog.Logger {
	if logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return logger
}

func (a *attempt) apply(ctx context.Context, action Action) (Result, error) {
	return action.apply(ctx, a)
}

func (Ignore) apply(context.Context, *attempt) (Result, error) { return Ignored, nil }
