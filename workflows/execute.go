package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// firstRound is the key of the context of a step's first round.
type firstRound struct{}

// execute runs an activity of a step with the options of ctx, and decodes its result into
// out. The activity must be safe to repeat.
//
// From rulesLocal on, the first round begins with a local attempt: a local activity, which
// needs no task of its own, so that an order takes its first steps in one workflow task.
// What a local attempt cannot do within localTimeout, the regular activity does in the
// same round, with its retries and its summary: an outage takes the same course as for an
// order without local attempts, after one more event. Only a permanent error ends the step
// at once.
//
// Of what a lost workflow task has done, nothing is in the history: the task is executed
// again, maybe together with messages that arrived since. So a local attempt must suit
// whatever those can decide.
//
// A local attempt is not canceled. No message reaches the workflow while it runs, and its
// outcome has to be known before it is undone. An attempt that timed out, or whose worker
// died, may write later than what undoes it. Compensation copes with that, because it
// closes the order in every store.
//
// The step that follows an update in its workflow task has no local attempt. An update is
// not in the history before its task completes, and is lost with it: then nothing would
// continue what the attempt began.
func (s *stepper) execute(ctx workflow.Context, activity, in, out any) error {
	if first, _ := ctx.Value(firstRound{}).(bool); first && s.rules >= rulesLocal && !s.updatedNow(ctx) {
		yieldToHandlers(ctx) // a cancellation that is there already prevents the attempt
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := workflow.ExecuteLocalActivity(localOptions(ctx), activity, in).Get(disconnected(ctx), out)
		if err == nil || isPermanent(err) {
			return err
		}
		s.logger(ctx).Info("local attempt failed, executing regular activity", "error", err)
		if ctx.Err() != nil { // by a message in the workflow task of a heartbeat
			return ctx.Err()
		}
	}
	return workflow.ExecuteActivity(ctx, activity, in).Get(ctx, out)
}

// noteUpdate records that an update was accepted in the current workflow task.
func (s *stepper) noteUpdate(ctx workflow.Context) {
	s.updatedAt = workflow.GetInfo(ctx).GetCurrentHistoryLength()
}

// updatedNow reports whether an update was accepted in the current workflow task, and so
// is not in the history yet.
func (s *stepper) updatedNow(ctx workflow.Context) bool {
	return s.updatedAt > 0 && s.updatedAt == workflow.GetInfo(ctx).GetCurrentHistoryLength()
}

// localOptions returns a disconnected context with the options of a local attempt.
func localOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithLocalActivityOptions(disconnected(ctx), workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: localTimeout, StartToCloseTimeout: localTimeout,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}, Summary: workflow.GetActivityOptions(ctx).Summary,
	})
}

// follows reports whether the run follows a change. Rules from rulesLocal on include it.
// Other runs record the decision in their history, at the cost of two events.
func (s *stepper) follows(ctx workflow.Context, change string) bool {
	return s.rules >= rulesLocal || workflow.GetVersion(ctx, change, workflow.DefaultVersion, 1) == 1
}
