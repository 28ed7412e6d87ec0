package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"orderflow/internal/kurrent"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// errorClass is what an error means for the event that caused it.
type errorClass int

const (
	classDone          errorClass = iota // no error, or the event is parked
	classRetry                           // an outage, or throttling
	classBusy                            // not yet: the order's workflow accepts no more messages for now
	classUndecodable                     // not yet: this process lacks the key to decode which event the order's workflow was started for
	classRefused                         // this event is at fault, unless the namespace lacks something
	classConfiguration                   // the namespace or the credentials are at fault, so it concerns every event
)

// classify returns the class of an error of an event's effect. It is the only place that
// does. FailedPrecondition counts as an outage whatever its message: the server sends it
// while a namespace fails over and while a cluster is upgraded.
func classify(err error) errorClass {
	var parked *parkError
	var invalid *serviceerror.InvalidArgument
	var exhausted *serviceerror.ResourceExhausted
	switch {
	case err == nil, errors.As(err, &parked):
		return classDone
	case errors.Is(err, temporalclient.ErrUnreadable):
		return classUndecodable
	case errors.Is(err, kurrent.ErrAccessDenied):
		return classRetry
	case temporalclient.NeedsOperator(err), errors.As(err, &invalid) && isAttributeError(invalid.Message):
		return classConfiguration
	case errors.As(err, &exhausted) && exhausted.Cause == enums.RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW:
		return classBusy // it is closing, and may continue as new
	case errors.As(err, &invalid) && slices.Contains(busyMessages(), invalid.Message):
		return classBusy
	case errors.As(err, &invalid):
		return classRefused
	default:
		return classRetry
	}
}

// busyMessages returns the server's messages for a workflow that accepts no more messages
// until it continues as new. Only the text distinguishes them from other invalid
// arguments.
func busyMessages() []string {
	return []string{
		"exceeded workflow execution limit for signal events",
		"Workflow history size exceeds limit.",
		"Workflow history count exceeds limit.",
		"Workflow mutable state size exceeds limit.",
	}
}

// isAttributeError reports whether a server's message is about a search attribute that
// the namespace lacks or has with another type. The server validates a start against a
// cache, so CheckNamespace alone could blame the event.
func isAttributeError(message string) bool {
	return strings.Contains(message, "has no mapping defined for search attribute") ||
		strings.HasPrefix(message, "search attribute ") && strings.HasSuffix(message, " is not defined") ||
		strings.HasPrefix(message, "invalid value for search attribute ") && strings.Contains(message, " of type ") ||
		strings.HasPrefix(message, "unable to get ") && strings.Contains(message, " search attribute type: ")
}

// maxRefusals is how many refusals in a row make the bridge look for the fault in the
// event.
const maxRefusals = 4

// attributesCached is how long the server may validate starts against stale search
// attributes after a repair. It may refuse good events for that long, so an event is
// parked only if its refusals span more.
const attributesCached = time.Minute

// errNotYet returns an event to the server because its order does not take it yet.
var errNotYet = errors.New("the order does not take the event yet")

// checkRefusal decides about an event that was refused repeatedly. It returns a parkError
// if the namespace is correct, errBlocked if it is not, and nil if the bridge could not
// find out.
func (b *bridge) checkRefusal(ctx context.Context, refusal error) error {
	err := b.checkNamespace(ctx)
	switch {
	case err == nil:
		return parkAfterReply("%s: %.512s", reasonRefused, serverMessage(refusal))
	case temporalclient.NeedsOperator(err):
		return fmt.Errorf("%w: %w", errBlocked, err)
	default:
		return nil
	}
}

// serverMessage returns the text of Temporal's error without the context that wraps it.
func serverMessage(err error) string {
	var invalid *serviceerror.InvalidArgument
	if errors.As(err, &invalid) {
		return invalid.Message
	}
	return err.Error()
}

// checkNamespace returns an error unless the namespace has what an order's start needs,
// and keeps the obstacle up to date. An outage leaves the obstacle unchanged.
func (b *bridge) checkNamespace(ctx context.Context) error {
	err := temporalclient.CheckNamespace(ctx, b.temporal, cmp.Or(b.namespace, client.DefaultNamespace), workflows.Input{}.SearchAttributes())
	var lacking *temporalclient.AttributesError
	switch {
	case err == nil:
		b.obstacles.set(obstacleNamespace, "", b.metrics, b.logger)
	case errors.As(err, &lacking):
		b.obstacles.set(obstacleNamespace, lacking.Error()+": "+lacking.Repair(), b.metrics, b.logger)
	case temporalclient.NeedsOperator(err):
		b.obstacles.set(obstacleNamespace, err.Error(), b.metrics, b.logger)
	}
	return err
}
