package reconcile

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"

	"orderflow/bridge"
	"orderflow/internal/backoff"
	"orderflow/internal/temporalclient"
)

// maxTries is how often a call to Temporal is tried if it does not answer: a slow server
// must not end a long comparison.
const maxTries = 4

// callBackoff is the backoff between the tries: more requests do not help a slow server.
var callBackoff = backoff.Exponential{Min: time.Second, Max: 4 * time.Second}

// retryCall repeats a call until it is answered, at most maxTries times, each with its
// own timeout.
func (r *reconciliation) retryCall(ctx context.Context, timeout time.Duration, call func(context.Context) error) error {
	for try := 1; ; try++ {
		r.progress.beat()
		asking, cancel := context.WithTimeout(ctx, timeout)
		err := call(asking)
		cancel()
		if try == maxTries || !isUnanswered(err) || ctx.Err() != nil {
			return err
		}
		r.logger.Warn("retrying call to Temporal", "try", try, "error", err)
		_ = callBackoff.Wait(ctx, try-1)
	}
}

// isUnanswered reports whether a call failed because Temporal did not answer, so that a
// retry may succeed. What it says about one workflow is an answer.
func isUnanswered(err error) bool {
	_, said := errors.AsType[serviceerror.ServiceError](err)
	_, refused := errors.AsType[*serviceerror.QueryFailed](err)
	_, notReady := errors.AsType[*serviceerror.WorkflowNotReady](err)
	answered := refused || notReady || temporalclient.IsNotFound(err)
	return bridge.Classify(err) == bridge.ClassRetry && !answered && (said || errors.Is(err, context.DeadlineExceeded))
}
