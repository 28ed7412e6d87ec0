package e2e_test

import (
	"context"
	"maps"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"orderflow/dev/devserver"
	"orderflow/internal/order"
)

// cliPageRig brings a stack of its own into the states of which the page for the temporal
// CLI speaks.
type cliPageRig struct {
	*stackClient
	shell *pageShell

	held, inEuro []string // orders
	dearer       string   // an order on hold above the amount that the page approves
	waiting      []string // orders whose email waits
	newest       []string // orders that began with the bad build
	before       []storedEffects
}

// newCLIPageRig starts a stack in which orders in EUR are stuck, because only USD has a
// default limit, and places orders: some wait for their shipment, some are on hold, two
// are stuck and one has shipped.
func newCLIPageRig(t *testing.T) *cliPageRig {
	t.Helper()
	s, err := startStack(t.TempDir(), []string{"CREDIT_HOLD=30m", "CREDIT_DEFAULT_LIMIT=USD=10000.00"}, "--rate", "0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.stop()) })
	r := &cliPageRig{
		stackClient: newStackClientFor(t, s), shell: newPageShell(t, s),
		newest: []string{orderSpec{}.complete().id, orderSpec{}.complete().id},
	}
	done := r.place(orderSpec{})
	for range 6 {
		r.place(orderSpec{})
	}
	for range 2 {
		r.held = append(r.held, r.place(orderSpec{price: overTheLimit}))
		r.inEuro = append(r.inEuro, r.place(orderSpec{price: "EUR100.00"}))
	}
	r.dearer = r.place(orderSpec{price: "USD9000.00"})
	r.awaitMail(done, order.StatusFulfilling, "sent")
	r.signal(done, "record-shipment", shipped)
	r.closed(done)
	r.awaitListed(`OrderStatus="shipped" AND ExecutionStatus="Completed"`, 1)
	r.awaitListed(`OrderStatus="fulfilling" AND ExecutionStatus="Running"`, 6)
	r.awaitListed(`OrderStatus="on-hold"`, 3)
	r.awaitListed(`OrderStuck="reserve-credit"`, 2)
	return r
}

// awaitBatchJobs waits until no batch job is open: the server accepts one at a time.
func (r *cliPageRig) awaitBatchJobs() {
	r.t.Helper()
	require.EventuallyWithT(r.t, func(c *assert.CollectT) {
		open, err := r.temporal.CountWorkflow(r.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: "default", Query: `TemporalNamespaceDivision="TemporalBatcher" AND ExecutionStatus="Running"`,
		})
		require.NoError(c, err)
		require.Zero(c, open.GetCount())
	}, patience, 100*time.Millisecond)
}

// awaitBackoff waits until an activity of each order has failed and waits for its next
// attempt.
func (r *cliPageRig) awaitBackoff(activityType string, orders ...string) {
	r.t.Helper()
	for _, id := range orders {
		require.EventuallyWithT(r.t, func(c *assert.CollectT) {
			description, err := r.temporal.DescribeWorkflow(r.t.Context(), id, "")
			require.NoError(c, err)
			require.Len(c, description.RawResponse.GetPendingActivities(), 1)
			pending := description.RawResponse.GetPendingActivities()[0]
			require.Equal(c, activityType, pending.GetActivityType().GetName())
			require.Greater(c, pending.GetAttempt(), int32(1))
			require.Equal(c, enums.PENDING_ACTIVITY_STATE_SCHEDULED, pending.GetState())
		}, patience, 100*time.Millisecond)
	}
}

// pauseEmails makes SES refuse every email, and places orders whose confirmation then
// waits about ten minutes for its next attempt.
func (r *cliPageRig) pauseEmails() {
	r.t.Helper()
	r.fault(`{"fault":"paused","count":1000}`)
	for range 2 {
		r.waiting = append(r.waiting, r.place(orderSpec{}))
	}
	r.awaitBackoff("SendEmail", r.waiting...)
}

func (r *cliPageRig) resumeEmails() {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodDelete, r.stack.SESURL+"/faults", nil)
	require.NoError(r.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(r.t, err)
	require.NoError(r.t, response.Body.Close())
	require.Less(r.t, response.StatusCode, 300)
}

// startBuild starts a worker next to the stack's own, as one build of the deployment
// orderflow. It returns once the server knows the build.
func (r *cliPageRig) startBuild(id string) {
	r.t.Helper()
	environment := maps.Clone(r.stack.environment)
	environment["TEMPORAL_DEPLOYMENT_NAME"], environment["TEMPORAL_WORKER_BUILD_ID"] = "orderflow", id
	process, err := devserver.Start(r.t.Context(), devserver.Command{
		Name: "worker " + id, Path: filepath.Join(binaries, "worker"), Env: environment.Environ(), LogFile: filepath.Join(r.t.TempDir(), "worker.log"),
	})
	require.NoError(r.t, err)
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		assert.NoError(r.t, process.Stop(ctx, syscall.SIGTERM, syscall.SIGKILL))
	})
	deployment := r.temporal.WorkerDeploymentClient().GetHandle("orderflow")
	require.EventuallyWithT(r.t, func(c *assert.CollectT) {
		version, err := deployment.DescribeVersion(r.t.Context(), client.WorkerDeploymentDescribeVersionOptions{BuildID: id})
		require.NoError(c, err)
		require.Len(c, version.Info.TaskQueuesInfos, 3)
	}, patience, 100*time.Millisecond)
}

// deployBuilds starts two builds, makes the second current and places orders, whose every
// task that build completes.
func (r *cliPageRig) deployBuilds() {
	r.t.Helper()
	r.startBuild("v0.2.0")
	r.startBuild("v0.3.0")
	_, err := r.temporal.WorkerDeploymentClient().GetHandle("orderflow").SetCurrentVersion(r.t.Context(),
		client.WorkerDeploymentSetCurrentVersionOptions{BuildID: "v0.3.0"})
	require.NoError(r.t, err)
	for _, id := range r.newest {
		customer := "customer-" + uuid.NewString()
		r.place(orderSpec{id: id, customer: customer})
		r.awaitMail(id, order.StatusFulfilling, "sent")
		r.before = append(r.before, r.storedEffects(id, customer))
	}
	r.awaitListed(`BuildIds="versioned:v0.3.0" AND ExecutionStatus="Running"`, 2)
}

// builds returns the builds that have completed a workflow task of the order's current
// run.
func (r *cliPageRig) builds(id string) (builds []string) {
	r.t.Helper()
	for _, event := range r.history(id).GetEvents() {
		if done := event.GetWorkflowTaskCompletedEventAttributes(); done != nil {
			builds = append(builds, done.GetDeploymentVersion().GetBuildId())
		}
	}
	return builds
}
