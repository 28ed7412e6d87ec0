package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
)

// ReconciliationInput is the input of Reconciliation. Its zero value compares all orders
// and changes nothing.
type ReconciliationInput struct {
	WindowSeconds int64 `json:"windowSeconds,omitempty"` // only orders placed within this time before the run; 0 means all
	Fix           bool  `json:"fix,omitempty"`           // repair what is safe to repair, as `orderflow reconcile --fix` does
}

const (
	// reconcileAttemptTimeout bounds one attempt. One that takes longer is continued by
	// the next.
	reconcileAttemptTimeout = 6 * time.Hour

	// reconcileHeartbeatTimeout is how long a comparison may show no progress. Its longest
	// silent call is a page of the list of workflows, 30 s, and its heartbeats reach the
	// server every 20 s.
	reconcileHeartbeatTimeout = 2 * time.Minute

	// reconcileWait bounds all attempts together. A run that cannot end must not keep the
	// following ones of its schedule from starting for longer.
	reconcileWait = 24 * time.Hour

	// ReconcileRunTimeout bounds a run of the schedule that cannot even fail, because its
	// workflow task does: without the key of its input, for example.
	ReconcileRunTimeout = reconcileWait + time.Hour

	// maxReconcileWindow keeps the arithmetic in range.
	maxReconcileWindow = 100 * 365 * 24 * time.Hour
)

// Reconciliation compares the placed orders with their workflows, credit and fulfillments,
// as `orderflow reconcile` does. Differences are its result, and no failure: only a
// comparison that was not possible fails. The schedule that `orderflow setup` creates
// starts it, and operators may.
func Reconciliation(ctx workflow.Context, in ReconciliationInput) (*activities.Reconciled, error) {
	compare := activities.ReconcileInput{At: workflow.Now(ctx).UTC(), Fix: in.Fix}
	switch limit := int64(maxReconcileWindow / time.Second); {
	case in.WindowSeconds < 0 || in.WindowSeconds > limit:
		return nil, invalidInput(fmt.Errorf("windowSeconds: must be from 0 to %d", limit))
	case in.WindowSeconds > 0:
		since := compare.At.Add(-time.Duration(in.WindowSeconds) * time.Second)
		compare.Since = &since
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: ReconcileTaskQueue, StartToCloseTimeout: reconcileAttemptTimeout, HeartbeatTimeout: reconcileHeartbeatTimeout,
		ScheduleToCloseTimeout: reconcileWait, RetryPolicy: activities.ReconcileRetryPolicy(), WaitForCancellation: true,
		Summary: "compare the stores",
	})
	var do *activities.Reconciler
	var found activities.Reconciled
	if err := workflow.ExecuteActivity(ctx, do.Reconcile, compare).Get(ctx, &found); err != nil {
		return nil, err
	}
	return &found, nil
}
