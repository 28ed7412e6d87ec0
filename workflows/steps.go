package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/order"
)

// The steps at which an order can be stuck: the values of the search attribute
// OrderStuck.
const (
	StepReserveCredit    = "reserve-credit"
	StepReleaseCredit    = "release-credit"
	StepStartFulfillment = "start-fulfillment"
	StepCloseFulfillment = "close-fulfillment"
	StepRecordParcel     = "record-parcel"
	StepHandOverEmail    = "hand-over-email"
	StepReadCancellation = "read-cancellation"

	StepRestoreFulfillment = "restore-fulfillment"
)

// Steps returns every value of the search attribute OrderStuck.
func Steps() []string {
	return []string{
		StepReserveCredit, StepReleaseCredit, StepStartFulfillment, StepRecordParcel, StepCloseFulfillment, StepHandOverEmail, StepReadCancellation,
		StepRestoreFulfillment,
	}
}

const (
	// roundTime bounds the first round of retries, after which the workflow shows that it
	// is stuck. An outage shorter than that costs a step at most one event, the marker of
	// its local attempt.
	roundTime = 15 * time.Minute

	// longRoundTime bounds every later round. The end of a round refreshes the displayed
	// cause and costs about six events.
	longRoundTime = 6 * time.Hour

	// The pause after a round that failed early, which only an error that is not retried
	// can cause. It doubles from firstPause to lastPause.
	firstPause = time.Minute
	lastPause  = time.Hour

	// maxRounds is the number of failed rounds of one step after which the workflow
	// continues as new: about 11 events each.
	maxRounds = 50

	// maxCause limits the displayed cause, in bytes.
	maxCause = 300
)

// errContinueAsNew stops the current step because the history has grown: the next run
// continues it.
var errContinueAsNew = errors.New("the workflow continues as new")

// stuckStep is a step that cannot proceed, and the cause.
type stuckStep struct {
	Step  string `json:"step"`
	Cause string `json:"cause"`
}

// stepper runs the steps of one workflow in rounds of retries, and shows the steps that
// are stuck. The zero value is ready to use for a workflow that shows nothing else.
type stepper struct {
	orderID       string
	source        order.Source // of the order or the message that the steps are about
	rules         int          // of the run, see Input
	updatedAt     int          // length of the history in the workflow task that accepted an update last
	stuck         []stuckStep
	publishedStep string                 // the step in the search attribute
	show          func(workflow.Context) // shows what changed; may be nil
	continuing    bool                   // no new round begins, and a running one is canceled
	longRounds    bool                   // failed rounds are followed by long ones
	failedRounds  int                    // failed rounds until longRounds was set
}

// retryUntilDone repeats do until it succeeds. The context must not be cancelable. Its
// only error is errContinueAsNew.
func (s *stepper) retryUntilDone(ctx workflow.Context, step string, do func(workflow.Context) error) error {
	return s.retryInRounds(ctx, step, do, func(error) bool { return false })
}

// retryUntilDecided repeats do until it succeeds, its context is canceled, or it fails
// with an error that must not be retried.
func (s *stepper) retryUntilDecided(ctx workflow.Context, step string, do func(workflow.Context) error) error {
	return s.retryInRounds(ctx, step, do, func(err error) bool { return ctx.Err() != nil || isPermanent(err) })
}

func (s *stepper) retryInRounds(
	ctx workflow.Context, step string, do func(workflow.Context) error, final func(error) bool,
) error {
	for n := 0; !s.continuing && (n < maxRounds || s.legacy()); n++ {
		began := workflow.Now(ctx)
		err := s.runRound(ctx, step, n, do)
		switch {
		case err == nil || final(err):
			s.clearStuck(ctx, step)
			return err
		case s.continuing || errors.Is(err, errContinueAsNew):
			return errContinueAsNew
		}
		s.countRound(ctx)
		s.markStuck(ctx, step, err)
		if s.legacy() || workflow.Now(ctx).Sub(began) < firstPause {
			s.pause(ctx, step, n)
		}
	}
	return errContinueAsNew
}

// legacy reports whether the last failed round was recorded before there were long rounds
// and the search attribute.
func (s *stepper) legacy() bool { return s.failedRounds > 0 && !s.longRounds }

// countRound records a failed round. A run whose rounds began before there were long
// rounds continues as recorded, and switches to long rounds with the first failure that
// is not in its history.
func (s *stepper) countRound(ctx workflow.Context) {
	if s.longRounds {
		return
	}
	change := versionLongRounds
	if s.failedRounds++; s.failedRounds > 1 {
		change = fmt.Sprintf("%s-%d", versionLongRounds, s.failedRounds)
	}
	s.longRounds = s.follows(ctx, change)
}

// resumePublished reads the search attribute that the previous run set, for a workflow
// that passes no other state to the next run.
func (s *stepper) resumePublished(ctx workflow.Context) {
	s.publishedStep, _ = workflow.GetTypedSearchAttributes(ctx).GetKeyword(stuckKey())
}

// runRound runs do once, within the time limit of the round, and cancels what it started
// when the workflow is to continue as new.
func (s *stepper) runRound(ctx workflow.Context, step string, n int, do func(workflow.Context) error) error {
	ctx, cancel := workflow.WithCancel(roundOptions(ctx, step, n))
	ended := false
	workflow.Go(disconnected(ctx), func(ctx workflow.Context) {
		// A disconnected context is never canceled, so the wait cannot fail.
		_ = workflow.Await(ctx, func() bool { return ended || s.continuing })
		cancel()
	})
	err := do(ctx)
	ended = true
	return err
}

// pause waits between two rounds. It ends early when the context is canceled or the
// workflow is to continue as new.
func (s *stepper) pause(ctx workflow.Context, step string, n int) {
	wait := workflow.AwaitOptions{
		Timeout:      min(firstPause<<min(n, 10), lastPause),
		TimerOptions: workflow.TimerOptions{Summary: "before trying to " + step + " again"},
	}
	// In the next round do fails at once if the context is canceled.
	_, _ = workflow.AwaitWithOptions(ctx, wait, func() bool { return s.continuing })
}

// markStuck shows that a step is stuck. A later cause of the same step replaces the
// earlier one.
func (s *stepper) markStuck(ctx workflow.Context, step string, err error) {
	s.logger(ctx).Error("step is stuck", "step", step, "error", err)
	workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"step": step}).Counter("orderflow_stuck_rounds").Inc(1)
	s.stuck = slices.DeleteFunc(s.stuck, func(o stuckStep) bool { return o.Step == step })
	s.stuck = append(s.stuck, stuckStep{Step: step, Cause: shorten(cause(err), maxCause)})
	s.publishStuck(ctx)
}

// clearStuck shows that a step is no longer stuck.
func (s *stepper) clearStuck(ctx workflow.Context, step string) {
	before := len(s.stuck)
	s.stuck = slices.DeleteFunc(s.stuck, func(o stuckStep) bool { return o.Step == step })
	if len(s.stuck) != before || len(s.stuck) == 0 && s.publishedStep != "" {
		s.publishStuck(ctx)
	}
}

// clearAllStuck clears every step. Call it when the workflow is about to end.
func (s *stepper) clearAllStuck(ctx workflow.Context) {
	if s.stuck = nil; s.publishedStep != "" {
		s.publishStuck(ctx)
	}
}

// publishStuck updates the search attribute to the step that has been stuck for longest,
// and unsets it if there is none.
func (s *stepper) publishStuck(ctx workflow.Context) {
	if s.show != nil {
		s.show(ctx)
	}
	step := ""
	if len(s.stuck) > 0 {
		step = s.stuck[0].Step
	}
	if step == s.publishedStep || s.legacy() {
		return
	}
	s.publishedStep = step
	update := stuckKey().ValueUnset()
	if step != "" {
		update = stuckKey().ValueSet(step)
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, update); err != nil {
		s.logger(ctx).Error("cannot set search attribute", "error", err)
	}
}

// roundOptions returns the activity options of a step's round n. The first round does not retry
// errors that only an operator can clear, so that they are shown at once. Later rounds
// do, so that the step proceeds soon after the cause was cleared.
func roundOptions(ctx workflow.Context, step string, n int) workflow.Context {
	options := workflow.ActivityOptions{
		StartToCloseTimeout: attemptTimeout, ScheduleToCloseTimeout: longRoundTime, RetryPolicy: activities.StoreRetryPolicy(),
		WaitForCancellation: true, // a running attempt's outcome has to be known before it is undone
		Priority:            stepPriority(step),
	}
	if n == 0 {
		options.ScheduleToCloseTimeout = roundTime
		options.RetryPolicy.NonRetryableErrorTypes = []string{activities.TypeBlocked}
		ctx = workflow.WithValue(ctx, firstRound{}, true)
	}
	return workflow.WithActivityOptions(ctx, options)
}

// summarized sets the activity summary that the Web UI shows.
func summarized(ctx workflow.Context, summary string) workflow.Context {
	options := workflow.GetActivityOptions(ctx)
	options.Summary = summary
	return workflow.WithActivityOptions(ctx, options)
}

// isPermanent reports whether err is an application error that must not be retried.
func isPermanent(err error) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.NonRetryable()
}

// cause returns the innermost message of an activity's error: the outer messages only
// repeat the activity's name.
func cause(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Message()
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err.Error()
}

// shorten joins a text into one line and cuts it to at most limit bytes, at a character
// boundary.
func shorten(text string, limit int) string {
	text = strings.Join(strings.Fields(text), " ")
	for cut := limit; len(text) > limit; cut-- {
		if utf8.RuneStart(text[cut]) {
			return text[:cut]
		}
	}
	return text
}
