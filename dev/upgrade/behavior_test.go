package upgrade_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/workflows"
)

// What docs/upgrades.md says about the server: which version the next run of a workflow
// begins on, and which one its children do.
func TestVersioningBehavior(t *testing.T) {
	t.Parallel()
	v := newVersionedQueue(t)
	tests := []struct {
		workflowType string
		next, child  string // the versions of what begins after version 2 became current
	}{
		{workflows.OrderFulfillmentType, "2", "2"},
		{workflows.OrderSettlementType, "1", "1"},
	}
	ids := map[string]string{}
	v.setCurrent("1")
	for _, test := range tests {
		ids[test.workflowType] = v.start(test.workflowType)
	}
	v.setCurrent("2")
	for _, test := range tests {
		t.Run(test.workflowType, func(t *testing.T) {
			id := ids[test.workflowType]
			require.NoError(t, v.client.SignalWorkflow(t.Context(), id, "", "continue", nil))
			require.Equal(t, test.next, v.await(id, "next"))
			require.NoError(t, v.client.SignalWorkflow(t.Context(), id, "", "continue", nil))
			require.Equal(t, test.child, v.await(id+"-child", ""))
		})
	}
}

// stand waits, continues as new, waits again and starts a child.
func stand(ctx workflow.Context, run string) error {
	workflow.GetSignalChannel(ctx, "continue").Receive(ctx, nil)
	if run == "" {
		return workflow.NewContinueAsNewError(ctx, workflow.GetInfo(ctx).WorkflowType.Name, "next")
	}
	info := workflow.GetInfo(ctx)
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: info.WorkflowExecution.ID + "-child", ParentClosePolicy: enums.PARENT_CLOSE_POLICY_ABANDON,
	})
	return workflow.ExecuteChildWorkflow(ctx, info.WorkflowType.Name, "").GetChildWorkflowExecution().Get(ctx, nil)
}

// versionedQueue is a task queue with two versions of workers, whose workflow types have
// the behaviors that the product registers them with.
type versionedQueue struct {
	t          *testing.T
	client     client.Client
	name       string // of the deployment
	queue      string
	deployment client.WorkerDeploymentHandle
}

func newVersionedQueue(t *testing.T) *versionedQueue {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: servers.Temporal(t), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	name := "d-" + uuid.NewString()
	v := &versionedQueue{t: t, client: c, name: name, queue: "queue-" + name, deployment: c.WorkerDeploymentClient().GetHandle(name)}
	for _, build := range []string{"1", "2"} {
		w := worker.New(c, v.queue, worker.Options{
			DisableRegistrationAliasing: true,
			DeploymentOptions: worker.DeploymentOptions{
				UseVersioning: true, Version: worker.WorkerDeploymentVersion{DeploymentName: name, BuildID: build},
			},
		})
		workflows.Register(standIns{WorkflowRegistry: w})
		require.NoError(t, w.Start())
		t.Cleanup(w.Stop)
	}
	return v
}

// standIns registers stand in place of each of the product's workflows, with the options of
// that workflow.
type standIns struct{ worker.WorkflowRegistry }

// RegisterWorkflowWithOptions registers the stand-in.
func (s standIns) RegisterWorkflowWithOptions(_ any, options workflow.RegisterOptions) {
	s.WorkflowRegistry.RegisterWorkflowWithOptions(stand, options)
}

func (v *versionedQueue) setCurrent(build string) {
	v.t.Helper()
	require.EventuallyWithT(v.t, func(c *assert.CollectT) {
		_, err := v.deployment.SetCurrentVersion(v.t.Context(), client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
		require.NoError(c, err)
	}, patience, 200*time.Millisecond)
}

// The next run of a workflow that an override pins begins on that version, but without the
// override: it moves to the current version at its second task, and its child begins there.
func TestVersioningOverride(t *testing.T) {
	t.Parallel()
	v := newVersionedQueue(t)
	v.setCurrent("1")
	id := v.start(workflows.OrderFulfillmentType)
	_, err := v.client.UpdateWorkflowExecutionOptions(t.Context(), client.UpdateWorkflowExecutionOptionsRequest{
		WorkflowId: id, WorkflowExecutionOptionsChanges: client.WorkflowExecutionOptionsChanges{
			VersioningOverride: &client.VersioningOverrideChange{Value: &client.PinnedVersioningOverride{
				Version: worker.WorkerDeploymentVersion{DeploymentName: v.name, BuildID: "1"},
			}},
		},
	})
	require.NoError(t, err)
	v.setCurrent("2")
	require.NoError(t, v.client.SignalWorkflow(t.Context(), id, "", "continue", nil))
	require.Equal(t, "1", v.await(id, "next"))
	require.NoError(t, v.client.SignalWorkflow(t.Context(), id, "", "continue", nil))
	require.Equal(t, "2", v.await(id+"-child", ""))
}

// start starts a workflow on version 1.
func (v *versionedQueue) start(workflowType string) string {
	v.t.Helper()
	run, err := v.client.ExecuteWorkflow(v.t.Context(), client.StartWorkflowOptions{ID: "w-" + uuid.NewString(), TaskQueue: v.queue}, workflowType, "")
	require.NoError(v.t, err)
	require.Equal(v.t, "1", v.await(run.GetID(), ""))
	return run.GetID()
}

// await waits until the current run of a workflow has completed its first task, and returns
// the version that did. With an input it waits for the run that continued as new.
func (v *versionedQueue) await(id, input string) (build string) {
	v.t.Helper()
	require.Eventually(v.t, func() bool {
		build = ""
		events := v.client.GetWorkflowHistory(v.t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			if err != nil {
				return false // not started yet
			}
			if started := event.GetWorkflowExecutionStartedEventAttributes(); started != nil && input != "" && started.GetContinuedExecutionRunId() == "" {
				return false
			}
			if done := event.GetWorkflowTaskCompletedEventAttributes(); done != nil && build == "" {
				build = done.GetDeploymentVersion().GetBuildId()
			}
		}
		return build != ""
	}, patience, 50*time.Millisecond)
	return build
}
