package main

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"
)

const (
	// patientTries is how often Temporal is asked, or told a remedy, where it does not answer: a server that is late must
	// not end a long comparison.
	patientTries = 4

	// firstRespite is the pause before the second try, which doubles: a server that is late is not helped by more questions.
	firstRespite = time.Second
)

// patiently makes a call until it is answered, patientTries times at most, each with a deadline of its own.
func (r *reconciliation) patiently(ctx context.Context, call func(context.Context) error) error {
	for try, respite := 1, firstRespite; ; try, respite = try+1, 2*respite {
		asking, cancel := context.WithTimeout(ctx, callTimeout)
		err := call(asking)
		cancel()
		if try == patientTries || !unanswered(err) || ctx.Err() != nil {
			return err
		}
		r.logger.Warn("Temporal does not answer", "try", try, "error", err)
		pause(ctx, respite)
	}
}

// unanswered reports whether a call failed because Temporal did not answer, so that another one may not.
func unanswered(err error) bool {
	_, said := errors.AsType[serviceerror.ServiceError](err)
	return classify(err) == classRetry && !isNotFound(err) && (said || errors.Is(err, context.DeadlineExceeded))
}
