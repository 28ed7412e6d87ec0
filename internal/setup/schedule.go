package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// Reconcile is when Temporal starts the workflow Reconciliation, and with which input.
type Reconcile struct {
	Every  time.Duration // 0 leaves the schedule unchanged
	Window time.Duration // compare only orders placed within this time; 0 means all
	Fix    bool          // repair what is safe to repair
}

const (
	// reconcileCatchup is how late a run may start if Temporal was down. A comparison that
	// was missed need not be made up for: the next one covers it.
	reconcileCatchup = 5 * time.Minute

	stepSchedule = "schedule " + workflows.ReconcileSchedule
)

func (r Reconcile) input() workflows.ReconciliationInput {
	return workflows.ReconciliationInput{WindowSeconds: int64(r.Window / time.Second), Fix: r.Fix}
}

func (r Reconcile) String() string {
	orders := "all orders"
	if r.Window > 0 {
		orders = fmt.Sprintf("the orders of %s", r.Window)
	}
	if r.Fix {
		orders += ", with repairs"
	}
	return fmt.Sprintf("%s every %s", orders, r.Every)
}

// schedule creates the schedule that compares the stores, or changes its settings. A
// schedule that an operator has paused stays paused.
func (t *temporalRun) schedule(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	handle := t.Client.ScheduleClient().GetHandle(ctx, workflows.ReconcileSchedule)
	current, err := handle.Describe(ctx)
	switch {
	case temporalclient.IsNotFound(err):
		if t.createSchedule(ctx) {
			return
		}
		current, err = handle.Describe(ctx) // another setup was faster
	case t.Reconcile.Every == 0:
		t.skipSchedule(current, err)
		return
	}
	before := Reconcile{}
	if err == nil {
		var same bool
		if before, same = t.scheduled(current.Schedule); same && before == t.Reconcile {
			t.add(Temporal, stepSchedule, AlreadyThere, before.String()+pausedNote(current.Schedule))
			return
		}
		if !t.dryRun() {
			err = handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: t.reschedule})
		}
	}
	detail := fmt.Sprintf("from %s to %s", before, t.Reconcile)
	if before == t.Reconcile {
		detail = before.String() + ": its policy, its workflow or the key of its input"
	}
	t.addSchedule(Changed, detail, err)
}

// skipSchedule adds the result of a setup that was given no interval.
func (t *temporalRun) skipSchedule(current *client.ScheduleDescription, err error) {
	detail := "RECONCILE_EVERY is not set"
	if err == nil {
		before, _ := t.scheduled(current.Schedule)
		detail += "; it is " + before.String() + pausedNote(current.Schedule)
	}
	t.add(Temporal, stepSchedule, Skipped, detail)
}

// createSchedule creates the schedule, if that was asked for. It reports false if it exists
// meanwhile.
func (t *temporalRun) createSchedule(ctx context.Context) bool {
	if t.Reconcile.Every == 0 {
		t.add(Temporal, stepSchedule, Skipped, "RECONCILE_EVERY is not set")
		return true
	}
	var err error
	if !t.dryRun() {
		_, err = t.Client.ScheduleClient().Create(ctx, client.ScheduleOptions{
			ID: workflows.ReconcileSchedule, Action: t.action(), Spec: t.spec(), Note: "created by orderflow setup",
			Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: reconcileCatchup,
		})
	}
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return false
	}
	t.addSchedule(Created, t.Reconcile.String(), err)
	return true
}

// addSchedule adds what came of creating or changing the schedule.
func (t *temporalRun) addSchedule(outcome Outcome, detail string, err error) {
	switch {
	case isRefusal(err):
		t.add(Temporal, stepSchedule, Refused, "the server does not let this user do it", t.scheduleCommand())
	case err != nil:
		t.fail(Temporal, stepSchedule, err)
	default:
		t.done(Temporal, stepSchedule, outcome, detail)
	}
}

func (t *temporalRun) scheduleCommand() string {
	in := t.Reconcile.input()
	return fmt.Sprintf("temporal schedule create --namespace %s --schedule-id %s --interval %s "+
		"--overlap-policy Skip --catchup-window %s --run-timeout %s --workflow-id %s --type %s --task-queue %s --input '{\"windowSeconds\":%d,\"fix\":%t}' # or update, with the same flags",
		t.Namespace, workflows.ReconcileSchedule, t.Reconcile.Every, reconcileCatchup, workflows.ReconcileRunTimeout,
		workflows.ReconcileSchedule, workflows.ReconciliationType, workflows.ReconcileTaskQueue, in.WindowSeconds, in.Fix)
}

func (t *temporalRun) action() *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{
		ID: workflows.ReconcileSchedule, Workflow: workflows.ReconciliationType, TaskQueue: workflows.ReconcileTaskQueue,
		Args: []any{t.Reconcile.input()}, WorkflowRunTimeout: workflows.ReconcileRunTimeout,
	}
}

func (t *temporalRun) spec() client.ScheduleSpec {
	return client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: t.Reconcile.Every}}}
}

// reschedule returns the schedule with the settings of this setup.
func (t *temporalRun) reschedule(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
	schedule, spec := in.Description.Schedule, t.spec()
	schedule.Action, schedule.Spec = t.action(), &spec
	schedule.Policy = &client.SchedulePolicies{Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: reconcileCatchup}
	return &client.ScheduleUpdate{Schedule: &schedule}, nil
}

// scheduled returns the settings of an existing schedule. It reports whether the rest of it
// is as setup creates it.
func (t *temporalRun) scheduled(s client.Schedule) (settings Reconcile, same bool) {
	action, ok := s.Action.(*client.ScheduleWorkflowAction)
	if !ok || s.Spec == nil || s.Policy == nil {
		return settings, false
	}
	if len(s.Spec.Intervals) > 0 {
		settings.Every = s.Spec.Intervals[0].Every
	}
	in, readable := t.decodeInput(action.Args)
	settings.Window, settings.Fix = time.Duration(in.WindowSeconds)*time.Second, in.Fix
	timely := len(s.Spec.Intervals) == 1 && s.Spec.Intervals[0].Offset == 0 &&
		len(s.Spec.Calendars)+len(s.Spec.Skip)+len(s.Spec.CronExpressions) == 0
	policy := s.Policy.Overlap == enums.SCHEDULE_OVERLAP_POLICY_SKIP && s.Policy.CatchupWindow == reconcileCatchup
	return settings, readable && timely && policy && !s.Policy.PauseOnFailure && action.ID == workflows.ReconcileSchedule &&
		action.Workflow == workflows.ReconciliationType && action.TaskQueue == workflows.ReconcileTaskQueue &&
		action.WorkflowRunTimeout == workflows.ReconcileRunTimeout
}

// decodeInput decodes the input of a schedule's workflow, which is what the server stores.
// It reports whether this setup would encode it in the same way: a key that no longer
// encrypts may be removed soon, and then no run could begin.
func (t *temporalRun) decodeInput(args []any) (in workflows.ReconciliationInput, ok bool) {
	if len(args) != 1 {
		return in, false
	}
	payload, ok := args[0].(*commonpb.Payload)
	if !ok {
		return in, false
	}
	decoder := t.Converter
	if decoder == nil {
		decoder = converter.GetDefaultDataConverter()
	}
	if err := decoder.FromPayload(payload, &in); err != nil {
		return in, false
	}
	own, err := decoder.ToPayload(in)
	return in, err == nil && maps.EqualFunc(own.GetMetadata(), payload.GetMetadata(), bytes.Equal)
}

func pausedNote(s client.Schedule) string {
	if s.State != nil && s.State.Paused {
		return "; it is paused"
	}
	return ""
}
