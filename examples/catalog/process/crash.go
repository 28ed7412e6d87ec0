package process

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

const (
	maxCrashes   = 6               // of a step, before the video fails
	crashDelay   = 5 * time.Second // after the first crash
	crashBackoff = 5               // factor of each further delay: an hour in all

	versionCountCrashes = "count-crashes" // change id of Temporal's versioning
)

// crashedError is the error of a step that crashed too often.
type crashedError struct{ last error }

func (e *crashedError) Error() string { return fmt.Sprintf("crashed %d times: %v", maxCrashes, e.last) }
func (e *crashedError) Unwrap() error { return e.last }

// crashTypes are the types of failures that the file may have caused, by a crash of this
// process or of a program, or by an attempt that does not end. Temporal's retry policy
// has one limit for failures of all kinds, which an outage would use up. So the server
// does not retry these, and runStep counts them. All others it retries within
// StepTimeout.
func crashTypes() []string {
	return []string{crashFailure, panicFailure, heartbeatFailure, startToCloseFailure}
}

// Types of failures in a retry policy.
const (
	crashFailure        = "Crashed"                      // of an activity, see classify
	panicFailure        = "PanicError"                   // Temporal's of an activity that panicked
	heartbeatFailure    = "TemporalTimeout:Heartbeat"    // Temporal's: the process is gone
	startToCloseFailure = "TemporalTimeout:StartToClose" // Temporal's: an attempt took too long
)

// isCrash reports whether an error of an activity is one of crashTypes.
func isCrash(err error) bool {
	var reported *temporal.ApplicationError
	var panicked *temporal.PanicError
	var timeout *temporal.TimeoutError
	switch {
	case errors.As(err, &timeout):
		return slices.Contains([]enums.TimeoutType{
			enums.TIMEOUT_TYPE_HEARTBEAT, enums.TIMEOUT_TYPE_START_TO_CLOSE,
		}, timeout.TimeoutType())
	case errors.As(err, &panicked):
		return true
	case errors.As(err, &reported):
		return reported.Type() == crashFailure
	}
	return false
}

// runStep runs a step with the file until it succeeds, fails, or has crashed maxCrashes
// times. Crashes are seen in the workflow's history, each with its cause. If no worker came
// until StepTimeout after a crash, it returns the error of that crash: the server fails the
// task of a workflow that schedules an activity without any time left, again and again.
func runStep(ctx workflow.Context, location, step, id string) (err error) {
	deadline := workflow.Now(ctx).Add(StepTimeout)
	for crashes := 1; ; crashes++ {
		left := deadline.Sub(workflow.Now(ctx))
		if left <= 0 {
			return err
		}
		media := mediaOptions(ctx, location, left, crashTypes())
		err = workflow.ExecuteActivity(media, step, id).Get(ctx, nil)
		delay := delayAfter(crashes, id)
		switch {
		case ctx.Err() != nil, !isCrash(err), workflow.Now(ctx).Add(delay).After(deadline):
			return err
		case crashes == maxCrashes:
			return &crashedError{err}
		}
		if err := workflow.Sleep(ctx, delay); err != nil {
			return err
		}
	}
}

// delayAfter returns how long a step waits after a number of crashes. A crash of the
// process ends all of its steps. So each video's delay differs, by up to half, and a step
// is not always in progress along with the one that crashes.
func delayAfter(crashes int, id string) time.Duration {
	delay := crashDelay
	for range crashes - 1 {
		delay *= crashBackoff
	}
	const parts = 1024
	spread := fnv.New32a()
	_, _ = fmt.Fprintf(spread, "%s/%d", id, crashes)
	return delay/2 + delay/parts*time.Duration(spread.Sum32()%parts)
}
