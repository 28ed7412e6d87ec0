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

// answer is what an error means for the event that met it.
type answer int

const (
	answerFinal      answer = iota // there is none, or the event is parked
	answerRetry                    // an outage, or throttling
	answerFull                     // not yet: the order's workflow takes no more messages for now
	answerUnreadable               // not yet: this process lacks a key to tell what the order's workflow was started for
	answerRefused                  // wrong for this event, unless the namespace lacks something
	answerSetUp                    // wrong for every event: the namespace or the credentials
)

// answerOf is the one place where errors of an event's effect are told apart. FailedPrecondition is an outage whatever it
// says: the server sends it while a namespace fails over and while a cluster is upgraded.
func answerOf(err error) answer {
	var parked *parkError
	var invalid *serviceerror.InvalidArgument
	var exhausted *serviceerror.ResourceExhausted
	switch {
	case err == nil, errors.As(err, &parked):
		return answerFinal
	case errors.Is(err, temporalclient.ErrUnreadable):
		return answerUnreadable
	case errors.Is(err, kurrent.ErrAccessDenied):
		return answerRetry
	case temporalclient.NeedsOperator(err), errors.As(err, &invalid) && lacksAttribute(invalid.Message):
		return answerSetUp
	case errors.As(err, &exhausted) && exhausted.Cause == enums.RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW:
		return answerFull // it is closing, and perhaps continues as new
	case errors.As(err, &invalid) && slices.Contains(fullWords(), invalid.Message):
		return answerFull
	case errors.As(err, &invalid):
		return answerRefused
	default:
		return answerRetry
	}
}

// fullWords are the server's words for a workflow that takes no more messages until it continues as new. Only the words
// tell them from other invalid arguments.
func fullWords() []string {
	return []string{
		"exceeded workflow execution limit for signal events",
		"Workflow history size exceeds limit.",
		"Workflow history count exceeds limit.",
		"Workflow mutable state size exceeds limit.",
	}
}

// lacksAttribute reports whether the server's words are about a search attribute that the namespace lacks or has with
// another type. The server validates a start against a cache, so CheckNamespace alone could blame the event.
func lacksAttribute(words string) bool {
	return strings.Contains(words, "has no mapping defined for search attribute") ||
		strings.HasPrefix(words, "search attribute ") && strings.HasSuffix(words, " is not defined") ||
		strings.HasPrefix(words, "invalid value for search attribute ") && strings.Contains(words, " of type ") ||
		strings.HasPrefix(words, "unable to get ") && strings.Contains(words, " search attribute type: ")
}

// maxRefusals is how often in a row an event is refused before the bridge looks for the fault in the event.
const maxRefusals = 4

// attributesCached is how long the server validates starts against search attributes that have been repaired since. It
// may refuse good events for as long, so an event is parked only if its refusals span more.
const attributesCached = time.Minute

// errNotYet gives an event back to the server because its order does not take it yet.
var errNotYet = errors.New("the order does not take the event yet")

// refuse decides about an event that was refused again and again. It returns a parkError if the namespace is as it must
// be, errBlocked if it is not, and nil if that is not known.
func (b *bridge) refuse(ctx context.Context, refusal error) error {
	err := b.checkNamespace(ctx)
	switch {
	case err == nil:
		return parkAnswered("%s: %.512s", reasonRefused, serverWords(refusal))
	case temporalclient.NeedsOperator(err):
		return fmt.Errorf("%w: %w", errBlocked, err)
	default:
		return nil
	}
}

// serverWords returns what Temporal said, without where it was called from.
func serverWords(err error) string {
	var invalid *serviceerror.InvalidArgument
	if errors.As(err, &invalid) {
		return invalid.Message
	}
	return err.Error()
}

// checkNamespace reports whether the namespace has what an order is started with, and keeps the obstacle up to date. An
// outage says nothing about the namespace.
func (b *bridge) checkNamespace(ctx context.Context) error {
	err := temporalclient.CheckNamespace(ctx, b.temporal, cmp.Or(b.namespace, client.DefaultNamespace), workflows.Input{}.SearchAttributes())
	var lacking *temporalclient.AttributesError
	switch {
	case err == nil:
		b.obstacles.found(obstacleNamespace, "", b.metrics, b.logger)
	case errors.As(err, &lacking):
		b.obstacles.found(obstacleNamespace, lacking.Error()+": "+lacking.Repair(), b.metrics, b.logger)
	case temporalclient.NeedsOperator(err):
		b.obstacles.found(obstacleNamespace, err.Error(), b.metrics, b.logger)
	}
	return err
}
