package process

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"example.com/catalog/video"
)

// Names that Temporal stores, so they stay.
const (
	WorkflowType       = "CatalogVideo"
	TaskQueue          = "catalog" // of the workflow, and of activities that need no file
	startActivity      = "Start"
	transcodeActivity  = "Transcode"
	transcribeActivity = "Transcribe"
	finishActivity     = "Finish"
	failActivity       = "Fail"
	unusableFailure    = "VideoUnusable" // type of a failure whose details are an Outcome
)

const (
	storeTimeout     = 10 * time.Second // of an activity that reads and writes messages
	mediaTimeout     = time.Hour        // of one attempt with a file
	heartbeatTimeout = 15 * time.Second

	// StepTimeout bounds all attempts with a file, the wait for their turn, and the time
	// without a worker that has the file.
	StepTimeout = 3 * 24 * time.Hour
)

// Input is what the workflow needs to know: the event store has the rest.
type Input struct {
	VideoID string
}

// Outcome is the result of cataloging a video.
type Outcome struct {
	Status video.Status
	Reason video.Reason // of a failure
	Detail string       // of a failure
}

// MediaQueue returns the task queue of the workers that can read the files of a location.
func MediaQueue(location string) string {
	if location == "" {
		return TaskQueue + "-media"
	}
	return TaskQueue + "-media-" + location
}

// CatalogVideo takes a video from its command to the event Cataloged or Failed, and returns
// which. A canceled workflow writes Failed before it ends as canceled. It fails, without a
// last event, if the command is missing or the events cannot be folded.
func CatalogVideo(ctx workflow.Context, in Input) (Outcome, error) {
	err := prepare(ctx, in)
	if err == nil {
		return end(ctx, finishActivity, in.VideoID)
	}
	failure, known := failureOf(ctx, err)
	if !known {
		return Outcome{}, err
	}
	outcome, err := end(ctx, failActivity, in.VideoID, failure)
	if err == nil && outcome.Reason == video.ReasonCanceled {
		err = ctx.Err()
	}
	return outcome, err
}

// prepare runs the steps before the last, each of which writes an event.
func prepare(ctx workflow.Context, in Input) error {
	var location string
	started := workflow.ExecuteActivity(storeOptions(ctx), startActivity, in.VideoID)
	if err := started.Get(ctx, &location); err != nil {
		return err
	}
	run := runStep
	if workflow.GetVersion(ctx, versionCountCrashes, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		run = runStepUncounted
	}
	for _, step := range []string{transcodeActivity, transcribeActivity} {
		if err := run(ctx, location, step, in.VideoID); err != nil {
			return err
		}
	}
	return nil
}

// runStepUncounted runs a step of a workflow that began before crashes were counted. The
// server retries it within StepTimeout, whatever fails.
func runStepUncounted(ctx workflow.Context, location, step, id string) error {
	return workflow.ExecuteActivity(mediaOptions(ctx, location, StepTimeout, nil), step, id).Get(ctx, nil)
}

// end writes the last event. A cancellation comes too late for that, so the context is
// disconnected from it.
func end(ctx workflow.Context, activity string, args ...any) (outcome Outcome, err error) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	err = workflow.ExecuteActivity(storeOptions(ctx), activity, args...).Get(ctx, &outcome)
	return outcome, err
}

func storeOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: storeTimeout,
		RetryPolicy:         &temporal.RetryPolicy{MaximumInterval: 30 * time.Second},
	})
}

// mediaOptions returns a context for steps that need the file. They run where the file is.
// The server retries what fails within the timeout, unless the failure has one of the
// types.
func mediaOptions(ctx workflow.Context, location string, timeout time.Duration, unless []string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              MediaQueue(location),
		StartToCloseTimeout:    mediaTimeout,
		ScheduleToCloseTimeout: timeout,
		HeartbeatTimeout:       heartbeatTimeout,
		WaitForCancellation:    true, // ffmpeg has ended by then
		RetryPolicy:            &temporal.RetryPolicy{MaximumInterval: time.Minute, NonRetryableErrorTypes: unless},
	})
}

// failureOf returns the outcome that a step's error means, and whether it means one. What an
// activity reports as a fault of the stored messages means none: then the workflow fails, for
// an operator to look at. Once a cancellation is requested, the server ends a step with
// whatever its attempt returned.
func failureOf(ctx workflow.Context, err error) (o Outcome, known bool) {
	var reported *temporal.ApplicationError
	var crashed *crashedError
	switch isReported := errors.As(err, &reported); {
	case errors.As(err, &crashed):
		return Outcome{
			Status: video.StatusFailed, Reason: video.ReasonCrashed,
			Detail: fmt.Sprintf("Each of %d attempts crashed, or took more than %s.", maxCrashes, mediaTimeout),
		}, true
	case isReported && reported.Type() == unusableFailure:
		return o, reported.Details(&o) == nil
	case isReported && reported.NonRetryable():
		return Outcome{}, false
	case ctx.Err() != nil:
		return Outcome{Status: video.StatusFailed, Reason: video.ReasonCanceled}, true
	}
	return Outcome{
		Status: video.StatusFailed, Reason: video.ReasonElapsed,
		Detail: fmt.Sprintf("No attempt succeeded within %s.", StepTimeout),
	}, true
}
