package doctor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	namespace "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	taskqueue "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/types/known/durationpb"

	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
	"orderflow/internal/doctor"
	"orderflow/workflows"
)

// workflowsRig is the default namespace of the Temporal server. Each step of the test
// leaves the namespace as the next one needs it.
type workflowsRig struct {
	*testing.T
	client client.Client
}

func newWorkflowsRig(t *testing.T) *workflowsRig {
	t.Helper()
	return &workflowsRig{t, dialTemporal(t, servers.Temporal(t), client.DefaultNamespace)}
}

func dialTemporal(t *testing.T, address, namespace string) client.Client {
	t.Helper()
	c, err := client.NewLazyClient(client.Options{HostPort: address, Namespace: namespace})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func (r *workflowsRig) options() doctor.Options {
	return doctor.Options{Temporal: r.client, Namespace: client.DefaultNamespace}
}

// poll starts a worker that does nothing and stops with the test.
func (r *workflowsRig) poll(queue string, o worker.Options) {
	r.Helper()
	w := worker.New(r.client, queue, o)
	w.RegisterActivityWithOptions(func() error { return nil }, activity.RegisterOptions{Name: "doctor-" + queue})
	w.RegisterWorkflowWithOptions(func(workflow.Context) error { return nil },
		workflow.RegisterOptions{Name: "doctor-" + queue, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade})
	require.NoError(r, w.Start())
	r.Cleanup(w.Stop)
}

// limitEmails sets the rate of the email queue, or removes it if rate is below 0.
func (r *workflowsRig) limitEmails(rate float32) {
	r.Helper()
	update := &workflowservice.UpdateTaskQueueConfigRequest_RateLimitUpdate{Reason: "test"}
	if rate >= 0 {
		update.RateLimit = &taskqueue.RateLimit{RequestsPerSecond: rate}
	}
	_, err := r.client.WorkflowService().UpdateTaskQueueConfig(r.Context(), &workflowservice.UpdateTaskQueueConfigRequest{
		Namespace: client.DefaultNamespace, TaskQueue: workflows.EmailTaskQueue, TaskQueueType: enums.TASK_QUEUE_TYPE_ACTIVITY,
		UpdateQueueRateLimit: update,
	})
	require.NoError(r, err)
}

func (r *workflowsRig) retain(d time.Duration) {
	r.Helper()
	_, err := r.client.WorkflowService().UpdateNamespace(r.Context(), &workflowservice.UpdateNamespaceRequest{
		Namespace: client.DefaultNamespace, Config: &namespace.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(d)},
	})
	require.NoError(r, err)
}

func (r *workflowsRig) setCurrent(deployment, build string) {
	r.Helper()
	require.EventuallyWithT(r, func(c *assert.CollectT) { // the server registers a version a moment after its first poll
		_, err := r.client.WorkflowService().SetWorkerDeploymentCurrentVersion(r.Context(), &workflowservice.SetWorkerDeploymentCurrentVersionRequest{
			Namespace: client.DefaultNamespace, DeploymentName: deployment, BuildId: build,
		})
		require.NoError(c, err)
	}, patience, 100*time.Millisecond)
}

// await waits until a run finds one thing, for the server shows changes after a moment.
func (r *workflowsRig) await(o doctor.Options, want wanted) {
	r.Helper()
	require.EventuallyWithT(r, func(c *assert.CollectT) { requireOnly(c, run(r.T, o), want) }, patience, 100*time.Millisecond)
}

func (r *workflowsRig) awaitNothing() {
	r.Helper()
	require.EventuallyWithT(r, func(c *assert.CollectT) { require.Empty(c, findings(run(r.T, r.options()))) }, patience, 100*time.Millisecond)
}

func TestTemporal(t *testing.T) {
	r := newWorkflowsRig(t)
	r.retain(72 * time.Hour)
	r.limitEmails(14)
	testFairness(r)
	r.poll(workflows.TaskQueue, worker.Options{})
	r.await(r.options(), wanted{"temporal/workers", doctor.Warning, "no worker polls order-email (activity)", "Start a worker"})
	r.poll(workflows.EmailTaskQueue, worker.Options{})
	r.awaitNothing()

	r.limitEmails(-1)
	r.await(r.options(), wanted{"temporal/email-rate", doctor.Warning, "order-email has no rate limit", "--queue-rps-limit RATE"})
	r.limitEmails(0)
	r.await(r.options(), wanted{"temporal/email-rate", doctor.Problem, "rate of 0", "--queue-rps-limit"})
	r.limitEmails(14)

	r.retain(time.Hour)
	r.await(r.options(), wanted{"temporal/retention", doctor.Warning, "kept for 1h", "--retention 168h"})
	r.retain(72 * time.Hour)

	lost := dialTemporal(t, servers.Temporal(t), "lost")
	r.await(doctor.Options{Temporal: lost, Namespace: "lost"}, wanted{"temporal/namespace", doctor.Problem, "no namespace lost", "operator namespace create"})
	dead := dialTemporal(t, devservertest.Address(t), client.DefaultNamespace)
	r.await(doctor.Options{Temporal: dead, Namespace: client.DefaultNamespace, Timeout: time.Second},
		wanted{"temporal/reachable", doctor.Failed, "", "TEMPORAL_ADDRESS"})

	r.awaitNothing()
	t.Run("orders", func(t *testing.T) { testOrders(&workflowsRig{t, r.client}) })
	t.Run("schedule", func(t *testing.T) { testSchedule(&workflowsRig{t, r.client}) })
	t.Run("search attributes", func(t *testing.T) { testAttributes(&workflowsRig{t, r.client}) })
	t.Run("writes nothing", func(t *testing.T) { testWritesNothing(&workflowsRig{t, r.client}) })
	t.Run("versions", func(t *testing.T) { testVersions(&workflowsRig{t, r.client}) }) // last: pollers are listed for minutes
}

// testFairness has an order of a higher priority wait, while no worker polls.
func testFairness(r *workflowsRig) {
	found := func() string { return resultOf(r.T, run(r.T, r.options()), "temporal/fairness").Found }
	require.Equal(r, "unknown: Temporal shows no client whether matching.enableFairness is on", found())
	_, err := r.client.ExecuteWorkflow(r.Context(), client.StartWorkflowOptions{
		ID: "doctor-prior", TaskQueue: workflows.TaskQueue, Priority: temporal.Priority{PriorityKey: 1},
	}, workflows.OrderFulfillmentType)
	require.NoError(r, err)
	require.EventuallyWithT(r, func(c *assert.CollectT) {
		require.Contains(c, found(), "unknown: order-fulfillment (workflow) is dispatched by priority")
	}, patience, 100*time.Millisecond)
	require.NoError(r, r.client.TerminateWorkflow(r.Context(), "doctor-prior", "", "test"))
}

// testOrders starts an order that is stuck, and looks at it after its retention.
func testOrders(r *workflowsRig) {
	_, err := r.client.ExecuteWorkflow(r.Context(), client.StartWorkflowOptions{
		ID: "doctor-stuck", TaskQueue: "doctor-idle",
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(workflows.StuckAttribute).ValueSet("reserve-credit")),
	}, workflows.OrderFulfillmentType)
	require.NoError(r, err)
	r.await(r.options(), wanted{"temporal/stuck", doctor.Warning, "stuck at a step: 1", "OrderStuck IS NOT NULL"})
	require.NoError(r, r.client.TerminateWorkflow(r.Context(), "doctor-stuck", "", "test"))
	r.awaitNothing()

	_, err = r.client.ExecuteWorkflow(r.Context(), client.StartWorkflowOptions{ID: "doctor-old", TaskQueue: "doctor-idle"}, workflows.OrderFulfillmentType)
	require.NoError(r, err)
	later := r.options()
	later.Now = func() time.Time { return time.Now().Add(80 * time.Hour) }
	r.await(later, wanted{"temporal/retention", doctor.Warning, "open orders older than the 72h for which closed workflows are kept: 1", "oldest open order"})
	require.NoError(r, r.client.TerminateWorkflow(r.Context(), "doctor-old", "", "test"))
	r.awaitNothing()
}

// testSchedule has a schedule compare the stores, for which no worker runs.
func testSchedule(r *workflowsRig) {
	schedule, err := r.client.ScheduleClient().Create(r.Context(), client.ScheduleOptions{
		ID: workflows.ReconcileSchedule, Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: 87600 * time.Hour}}},
		Action: &client.ScheduleWorkflowAction{ID: workflows.ReconcileSchedule, Workflow: workflows.ReconciliationType, TaskQueue: workflows.ReconcileTaskQueue},
	})
	require.NoError(r, err)
	r.await(r.options(), wanted{"temporal/workers", doctor.Warning, "no worker polls order-reconcile (workflow), order-reconcile (activity)", "Start a worker"})
	require.NoError(r, schedule.Pause(r.Context(), client.SchedulePauseOptions{}))
	r.awaitNothing()
	require.NoError(r, schedule.Delete(r.Context()))
	r.awaitNothing()
}

func testAttributes(r *workflowsRig) {
	_, err := r.client.OperatorService().RemoveSearchAttributes(r.Context(), &operatorservice.RemoveSearchAttributesRequest{
		Namespace: client.DefaultNamespace, SearchAttributes: []string{workflows.StuckAttribute},
	})
	require.NoError(r, err)
	r.await(r.options(), wanted{"temporal/search-attributes", doctor.Problem, "OrderStuck (Keyword) is missing", "temporal operator search-attribute create"})
	require.NoError(r, devserver.EnsureSearchAttributes(r.Context(), r.client, client.DefaultNamespace, workflows.SearchAttributes()))
	r.awaitNothing()
}

func testWritesNothing(r *workflowsRig) {
	state := func() string {
		described, err := r.client.WorkflowService().DescribeNamespace(r.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: client.DefaultNamespace})
		require.NoError(r, err)
		counted, err := r.client.CountWorkflow(r.Context(), &workflowservice.CountWorkflowExecutionsRequest{})
		require.NoError(r, err)
		attributes, err := r.client.OperatorService().ListSearchAttributes(r.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: client.DefaultNamespace})
		require.NoError(r, err)
		queue, err := r.client.WorkflowService().DescribeTaskQueue(r.Context(), &workflowservice.DescribeTaskQueueRequest{
			Namespace: client.DefaultNamespace, TaskQueue: &taskqueue.TaskQueue{Name: workflows.EmailTaskQueue},
			TaskQueueType: enums.TASK_QUEUE_TYPE_ACTIVITY, ReportConfig: true,
		})
		require.NoError(r, err)
		return fmt.Sprint(described.GetConfig(), described.GetNamespaceInfo(), described.GetReplicationConfig(), counted.GetCount(),
			len(attributes.GetCustomAttributes()), queue.GetConfig())
	}
	before := state()
	for _, as := range doctor.Binaries() {
		o := r.options()
		o.As = as
		run(r.T, o)
	}
	require.Equal(r, before, state())
}

func testVersions(r *workflowsRig) {
	version := worker.WorkerDeploymentVersion{DeploymentName: "orderflow", BuildID: "b2"}
	versioned := worker.Options{DeploymentOptions: worker.DeploymentOptions{UseVersioning: true, Version: version}}
	r.poll(workflows.TaskQueue, versioned)
	r.poll(workflows.EmailTaskQueue, versioned)
	r.await(r.options(), wanted{"temporal/deployment", doctor.Warning, "version orderflow.b2 polls order-fulfillment (workflow), and no version is current",
		"temporal worker deployment set-current-version --deployment-name orderflow --build-id b2"})
	r.setCurrent("orderflow", "b2")
	r.await(r.options(), wanted{"temporal/deployment", doctor.Warning, "workers without a version poll", "Stop them"})
}
