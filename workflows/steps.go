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
)

// The steps at which an order can be stuck: the values of the search attribute OrderStuck.
const (
	StepReserveCredit    = "reserve-credit"
	StepReleaseCredit    = "release-credit"
	StepStartFulfillment = "start-fulfillment"
	StepCloseFulfillment = "close-fulfillment"
	StepHandOverEmail    = "hand-over-email"
	StepReadCancellation = "read-cancellation"

	StepRestoreFulfillment = "restore-fulfillment"
)

// Steps returns every value of the search attribute OrderStuck.
func Steps() []string {
	return []string{
		StepReserveCredit, StepReleaseCredit, StepStartFulfillment, StepCloseFulfillment, StepHandOverEmail, StepReadCancellation,
		StepRestoreFulfillment,
	}
}

const (
	// roundTime bounds the first round of retries, after which the workflow shows that it is stuck. A shorter outage
	// costs no history event.
	roundTime = 15 * time.Minute

	// longRoundTime bounds every later round. Its end refreshes the cause that is shown and costs about six events.
	longRoundTime = 6 * time.Hour

	// The pause after a round that failed early, which only an error that is not retried can make it do. It doubles from
	// the first to the last.
	firstPause = time.Minute
	lastPause  = time.Hour

	// maxRounds is how many rounds of one step fail before the workflow continues as new: about 11 events each.
	maxRounds = 50

	// maxCause bounds the cause that is shown, in bytes.
	maxCause = 300
)

// errContinueAsNew ends what a run is doing because its history has grown: the next run goes on with it.
var errContinueAsNew = errors.New("the workflow continues as new")

// obstacle is a step that cannot proceed, and why.
type obstacle struct {
	Step  string `json:"step"`
	Cause string `json:"cause"`
}

// stepper runs the steps of one workflow in rounds of retries, and shows the ones that are stuck. The zero stepper of a
// workflow that shows nothing else needs no set-up.
type stepper struct {
	stuck      []obstacle
	published  string                 // the step in the search attribute
	show       func(workflow.Context) // shows what changed, nil when there is nothing else to show
	continuing bool                   // no new round begins, and a running one is given up
	long       bool                   // failed rounds are followed by long ones
	failed     int                    // rounds that failed before long was known
}

// untilDone repeats do until it succeeds. The context must not be cancelable. Its only error is errContinueAsNew.
func (s *stepper) untilDone(ctx workflow.Context, step string, do func(workflow.Context) error) error {
	return s.inRounds(ctx, step, do, func(error) bool { return false })
}

// untilDecided repeats do until it succeeds, its context is canceled, or it fails with an error that must not be retried.
func (s *stepper) untilDecided(ctx workflow.Context, step string, do func(workflow.Context) error) error {
	return s.inRounds(ctx, step, do, func(err error) bool { return ctx.Err() != nil || isPermanent(err) })
}

func (s *stepper) inRounds(
	ctx workflow.Context, step string, do func(workflow.Context) error, final func(error) bool,
) error {
	for n := 0; !s.continuing && (n < maxRounds || s.legacy()); n++ {
		began := workflow.Now(ctx)
		err := s.round(ctx, n, do)
		switch {
		case err == nil || final(err):
			s.clear(ctx, step)
			return err
		case s.continuing || errors.Is(err, errContinueAsNew):
			return errContinueAsNew
		}
		s.countRound(ctx)
		s.mark(ctx, step, err)
		if s.legacy() || workflow.Now(ctx).Sub(began) < firstPause {
			s.pause(ctx, step, n)
		}
	}
	return errContinueAsNew
}

// legacy reports whether the last failed round was recorded before there were long ones and the search attribute.
func (s *stepper) legacy() bool { return s.failed > 0 && !s.long }

// countRound notes a failed round. A run whose rounds began before there were long ones goes on as it was recorded, and
// moves to long rounds with the first failure that is new.
func (s *stepper) countRound(ctx workflow.Context) {
	if s.long {
		return
	}
	change := versionLongRounds
	if s.failed++; s.failed > 1 {
		change = fmt.Sprintf("%s-%d", versionLongRounds, s.failed)
	}
	s.long = workflow.GetVersion(ctx, change, workflow.DefaultVersion, 1) == 1
}

// takeOver takes over the search attribute of the run before, for a workflow that carries nothing else.
func (s *stepper) takeOver(ctx workflow.Context) {
	s.published, _ = workflow.GetTypedSearchAttributes(ctx).GetKeyword(stuckKey())
}

// round runs do once, within the time of the round, and cancels what it started when the workflow is to continue as new.
func (s *stepper) round(ctx workflow.Context, n int, do func(workflow.Context) error) error {
	ctx, cancel := workflow.WithCancel(roundOptions(ctx, n))
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

// pause waits between two rounds. It ends early when the context is canceled or the workflow is to continue as new.
func (s *stepper) pause(ctx workflow.Context, step string, n int) {
	wait := workflow.AwaitOptions{
		Timeout:      min(firstPause<<min(n, 10), lastPause),
		TimerOptions: workflow.TimerOptions{Summary: "before trying to " + step + " again"},
	}
	// The next round meets a canceled context at once.
	_, _ = workflow.AwaitWithOptions(ctx, wait, func() bool { return s.continuing })
}

// mark shows that a step is stuck. Later causes of the same step replace earlier ones.
func (s *stepper) mark(ctx workflow.Context, step string, err error) {
	workflow.GetLogger(ctx).Error("step is stuck", "step", step, "error", err)
	workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"step": step}).Counter("orderflow_stuck_rounds").Inc(1)
	s.stuck = slices.DeleteFunc(s.stuck, func(o obstacle) bool { return o.Step == step })
	s.stuck = append(s.stuck, obstacle{Step: step, Cause: shorten(cause(err), maxCause)})
	s.publish(ctx)
}

// clear shows that a step proceeds.
func (s *stepper) clear(ctx workflow.Context, step string) {
	before := len(s.stuck)
	s.stuck = slices.DeleteFunc(s.stuck, func(o obstacle) bool { return o.Step == step })
	if len(s.stuck) != before || len(s.stuck) == 0 && s.published != "" {
		s.publish(ctx)
	}
}

// clearAll is for a workflow that is about to end.
func (s *stepper) clearAll(ctx workflow.Context) {
	if s.stuck = nil; s.published != "" {
		s.publish(ctx)
	}
}

// publish brings the search attribute up to date: the step that has been stuck for longest, unset when there is none.
func (s *stepper) publish(ctx workflow.Context) {
	if s.show != nil {
		s.show(ctx)
	}
	step := ""
	if len(s.stuck) > 0 {
		step = s.stuck[0].Step
	}
	if step == s.published || s.legacy() {
		return
	}
	s.published = step
	update := stuckKey().ValueUnset()
	if step != "" {
		update = stuckKey().ValueSet(step)
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, update); err != nil {
		workflow.GetLogger(ctx).Error("stuck step cannot be published", "error", err)
	}
}

// roundOptions are those of the activities of one round. The first round does not retry what only an operator can clear,
// so that it shows at once; the later ones do, so that the step proceeds soon after it was cleared.
func roundOptions(ctx workflow.Context, n int) workflow.Context {
	options := workflow.ActivityOptions{
		StartToCloseTimeout: attemptTimeout, ScheduleToCloseTimeout: longRoundTime, RetryPolicy: retries(),
		WaitForCancellation: true, // a running attempt's outcome has to be known before it is undone
	}
	if n == 0 {
		options.ScheduleToCloseTimeout = roundTime
		options.RetryPolicy.NonRetryableErrorTypes = []string{activities.TypeBlocked}
	}
	return workflow.WithActivityOptions(ctx, options)
}

// summarized names an activity for the Web UI.
func summarized(ctx workflow.Context, summary string) workflow.Context {
	options := workflow.GetActivityOptions(ctx)
	options.Summary = summary
	return workflow.WithActivityOptions(ctx, options)
}

// isPermanent reports whether the activity said that trying again cannot help.
func isPermanent(err error) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.NonRetryable()
}

// cause returns the innermost message of an activity's error: the outer ones only repeat the activity's name.
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

// shorten cuts a text to at most so many bytes, between two characters, and makes one line of it.
func shorten(text string, limit int) string {
	text = strings.Join(strings.Fields(text), " ")
	for cut := limit; len(text) > limit; cut-- {
		if utf8.RuneStart(text[cut]) {
			return text[:cut]
		}
	}
	return text
}
