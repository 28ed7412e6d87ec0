package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
)

const (
	// gateAttemptTimeout bounds one round of checks, each of which is bounded as well.
	gateAttemptTimeout = 30 * time.Second

	// gateWait bounds how long the gate waits for a store that does not respond. It
	// outlasts the failover of a store, and is far below the hour after which the Worker
	// Controller's own timeout ends the gate.
	gateWait = 3 * time.Minute
)

// DeploymentGate completes if the build that it runs on can work with every store, and
// fails otherwise. Temporal's Worker Controller starts it on a new version of the worker,
// on each of its queues for workflows and without an input, and makes the version current only
// if it completes. It can also be started by hand before set-current-version.
//
// It does not wait for what an operator has to change: a deployment that stops early is
// noticed, one that waits is not.
func DeploymentGate(ctx workflow.Context) (activities.CheckedStores, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: gateAttemptTimeout, ScheduleToCloseTimeout: gateWait, Summary: "check stores",
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: 15 * time.Second},
	})
	var do *activities.Activities
	var checked activities.CheckedStores
	if err := workflow.ExecuteActivity(ctx, do.CheckStores).Get(ctx, &checked); err != nil {
		return nil, err
	}
	return checked, nil
}
