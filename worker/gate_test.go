package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"orderflow/activities"
	"orderflow/dev/devserver"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

// deployedVersion is a worker that is one version of a Worker Deployment, not the current
// one, in a namespace of its own.
type deployedVersion struct {
	t         *testing.T
	client    client.Client
	namespace string
	version   worker.WorkerDeploymentVersion
}

// deployVersion starts the worker. The deployment is named as the Worker Controller names
// it: by the namespace in Kubernetes and the resource.
func deployVersion(t *testing.T, environ ...string) *deployedVersion {
	t.Helper()
	d := &deployedVersion{t: t, version: worker.WorkerDeploymentVersion{DeploymentName: "orderflow/orderflow-worker", BuildID: "v1-5d4f"}}
	d.client, d.namespace = preparedNamespace(t)
	startWorker(t, append(environ, "TEMPORAL_DEPLOYMENT_NAME="+d.version.DeploymentName, "TEMPORAL_WORKER_BUILD_ID="+d.version.BuildID)...)
	return d
}

// preparedNamespace creates a namespace with the search attributes, which workers started
// by this test use, and returns a client for it.
func preparedNamespace(t *testing.T) (c client.Client, namespace string) {
	t.Helper()
	namespace = newNamespace(t)
	require.NoError(t, devserver.EnsureSearchAttributes(t.Context(), shared.temporal, namespace, workflows.SearchAttributes()))
	c, err := client.NewClientFromExistingWithContext(t.Context(), shared.temporal, client.Options{
		Namespace: namespace, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	return c, namespace
}

// workflowQueues waits until the server knows the version, and returns its task queues
// for workflows: the Worker Controller starts a gate on each of them.
func (d *deployedVersion) workflowQueues() []string {
	d.t.Helper()
	var queues []string
	handle := d.client.WorkerDeploymentClient().GetHandle(d.version.DeploymentName)
	require.Eventually(d.t, func() bool {
		found, err := handle.DescribeVersion(d.t.Context(), client.WorkerDeploymentDescribeVersionOptions{BuildID: d.version.BuildID})
		if err != nil || len(found.Info.TaskQueuesInfos) < 3 { // orders: workflows and activities; emails: activities
			return false
		}
		for _, queue := range found.Info.TaskQueuesInfos {
			if queue.Type == client.TaskQueueTypeWorkflow {
				queues = append(queues, queue.Name)
			}
		}
		return true
	}, longEnough, 50*time.Millisecond)
	return queues
}

// startGate starts the gate with the options of the Worker Controller.
func (d *deployedVersion) startGate(queue string) client.WorkflowRun {
	d.t.Helper()
	gate, err := d.client.ExecuteWorkflow(d.t.Context(), client.StartWorkflowOptions{
		ID:                       fmt.Sprintf("test-%s:%s-%s", d.version.DeploymentName, d.version.BuildID, queue),
		TaskQueue:                queue,
		WorkflowExecutionTimeout: time.Hour,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		VersioningOverride:       &client.PinnedVersioningOverride{Version: d.version},
	}, workflows.DeploymentGateType)
	require.NoError(d.t, err)
	return gate
}

func result(t *testing.T, gate client.WorkflowRun) (activities.CheckedStores, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longEnough)
	defer cancel()
	var checked activities.CheckedStores
	err := gate.Get(ctx, &checked)
	return checked, err
}

// reset runs a gate again, as `temporal workflow reset --type FirstWorkflowTask` does.
func (d *deployedVersion) reset(gate client.WorkflowRun) client.WorkflowRun {
	d.t.Helper()
	const firstWorkflowTaskCompleted = 4
	_, err := d.client.ResetWorkflowExecution(d.t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: d.namespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: gate.GetID(), RunId: gate.GetRunID()},
		WorkflowTaskFinishEventId: firstWorkflowTaskCompleted, RequestId: uuid.NewString(), Reason: "migrated",
	})
	require.NoError(d.t, err)
	return d.client.GetWorkflow(d.t.Context(), gate.GetID(), "")
}

func TestDeploymentGate(t *testing.T) {
	t.Run("completes on a version that is not current", func(t *testing.T) {
		d := deployVersion(t)
		require.Equal(t, []string{workflows.TaskQueue}, d.workflowQueues(), "emails have no workflows, and so no gate")
		gate := d.startGate(workflows.TaskQueue)
		checked, err := result(t, gate)
		require.NoError(t, err)
		require.Equal(t, activities.CheckedStores{"postgres": "ok", "kurrentdb": "ok", "ses": "ok"}, checked)
		found, err := d.client.DescribeWorkflow(t.Context(), gate.GetID(), gate.GetRunID())
		require.NoError(t, err)
		versioning := found.RawResponse.GetWorkflowExecutionInfo().GetVersioningInfo()
		require.Equal(t, enums.VERSIONING_BEHAVIOR_PINNED, versioning.GetBehavior(), "as registered, without the override")
		require.Equal(t, d.version.BuildID, versioning.GetDeploymentVersion().GetBuildId())
	})
	t.Run("fails at once if a migration is missing, and completes after a reset once it has run", func(t *testing.T) {
		url := servers.Database(t)
		database, err := pgx.Connect(t.Context(), url)
		require.NoError(t, err)
		t.Cleanup(func() { _ = database.Close(context.WithoutCancel(t.Context())) })
		d := deployVersion(t, "POSTGRES_URL="+url)
		d.workflowQueues() // the worker checked the schema when it started

		migrate := func(by int) {
			t.Helper()
			_, err := database.Exec(t.Context(), "UPDATE orderflow_schema_version SET version = version + $1", by)
			require.NoError(t, err)
		}
		migrate(-1)
		gate := d.startGate(workflows.TaskQueue)
		_, err = result(t, gate)
		var failure *temporal.ApplicationError
		require.ErrorAs(t, err, &failure)
		require.Equal(t, activities.TypeBlocked, failure.Type())
		require.ErrorContains(t, err, "postgres: schema is outdated")
		require.ErrorContains(t, err, "run `orderflow migrate`")

		migrate(+1)
		checked, err := result(t, d.reset(gate))
		require.NoError(t, err)
		require.Equal(t, "ok", checked["postgres"])
	})
}

func TestRun_WaitsForMigration(t *testing.T) {
	preparedNamespace(t)
	url := servers.DatabaseFrom(t, "template1")
	d := startWorker(t, "POSTGRES_URL="+url)
	d.Await("/readyz", http.StatusServiceUnavailable, "takes no work: schema is outdated")
	require.NoError(t, postgres.Migrate(t.Context(), url, slog.New(slog.DiscardHandler)))
	d.Await("/readyz", http.StatusOK)
	require.NoError(t, d.Stop())
	require.Contains(t, d.Log(), "level=ERROR msg=waiting waiting_for=postgres")
}
