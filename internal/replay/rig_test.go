package replay_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/dev/devserver/devservertest"
	"orderflow/internal/replay"
)

// patience is how long anything may take on a busy machine.
const patience = 2 * time.Minute

// taskTimeout is how long a workflow task may be left running.
const taskTimeout = 2 * time.Minute

var servers devservertest.Servers

func TestMain(m *testing.M) {
	worker.SetStickyWorkflowCacheSize(0) // so that a task goes to any poller once the worker has stopped
	servers.Main(m)
}

const (
	waitingType = "Waiting"
	proceed     = "proceed"
)

// waiting is the workflow as it was deployed: each signal starts a timer. It completes
// with the third.
func waiting(ctx workflow.Context) (string, error) {
	for range 2 {
		workflow.GetSignalChannel(ctx, proceed).Receive(ctx, nil)
		workflow.NewTimer(ctx, time.Hour)
	}
	workflow.GetSignalChannel(ctx, proceed).Receive(ctx, nil)
	return "done", nil
}

// changed is the same workflow with an activity in place of the timer.
func changed(ctx workflow.Context) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	for range 2 {
		workflow.GetSignalChannel(ctx, proceed).Receive(ctx, nil)
		workflow.ExecuteActivity(ctx, "Step")
	}
	workflow.GetSignalChannel(ctx, proceed).Receive(ctx, nil)
	return "done", nil
}

// continuing is waiting with a first run that continues as new.
func continuing(ctx workflow.Context) (string, error) {
	if workflow.GetInfo(ctx).ContinuedExecutionRunID == "" {
		return "", workflow.NewContinueAsNewError(ctx, waitingType)
	}
	return waiting(ctx)
}

func register(code any) func(worker.WorkflowRegistry) {
	return func(r worker.WorkflowRegistry) {
		r.RegisterWorkflowWithOptions(code, workflow.RegisterOptions{Name: waitingType, VersioningBehavior: workflow.VersioningBehaviorPinned})
	}
}

// replayRig is a task queue of its own on the server, and the workflows on it.
type replayRig struct {
	t      *testing.T
	client client.Client
	queue  string
}

func newReplayRig(t *testing.T) *replayRig {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: servers.Temporal(t), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return &replayRig{t: t, client: c, queue: "queue-" + uuid.NewString()}
}

// work runs a worker until the returned function has returned. By default Stop does not
// wait, and a poll in progress may still take and complete a task.
func (r *replayRig) work(code any, o worker.Options) (stop func()) {
	r.t.Helper()
	o.WorkerStopTimeout = patience
	w := worker.New(r.client, r.queue, o)
	register(code)(w)
	require.NoError(r.t, w.Start())
	return w.Stop
}

// start starts a workflow and returns its id.
func (r *replayRig) start() string {
	r.t.Helper()
	run, err := r.client.ExecuteWorkflow(r.t.Context(), client.StartWorkflowOptions{
		ID: "w-" + uuid.NewString(), TaskQueue: r.queue, WorkflowTaskTimeout: taskTimeout,
	}, waitingType)
	require.NoError(r.t, err)
	return run.GetID()
}

func (r *replayRig) signal(id string) {
	r.t.Helper()
	require.NoError(r.t, r.client.SignalWorkflow(r.t.Context(), id, "", proceed, nil))
}

// kinds returns the types of the events of a workflow's current run.
func (r *replayRig) kinds(id string) []enums.EventType {
	r.t.Helper()
	var kinds []enums.EventType
	events := r.client.GetWorkflowHistory(r.t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(r.t, err)
		kinds = append(kinds, event.GetEventType())
	}
	return kinds
}

// await waits until the history of a workflow has n events of a type.
func (r *replayRig) await(id string, kind enums.EventType, n int) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		found := 0
		for _, k := range r.kinds(id) {
			if k == kind {
				found++
			}
		}
		return found == n
	}, patience, 20*time.Millisecond, "%d × %s", n, kind)
}

// awaitWaiting waits until the current run of a workflow has handled every signal.
func (r *replayRig) awaitWaiting(id string) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		kinds := r.kinds(id)
		last := kinds[len(kinds)-1]
		return last == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED || last == enums.EVENT_TYPE_TIMER_STARTED
	}, patience, 20*time.Millisecond)
}

// startSignaled starts a workflow that has started its first timer.
func (r *replayRig) startSignaled() string {
	r.t.Helper()
	id := r.start()
	r.await(id, enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, 1)
	r.signal(id)
	r.await(id, enums.EVENT_TYPE_TIMER_STARTED, 1)
	return id
}

// beginTask takes the next workflow task, as a worker does, and does not complete it.
func (r *replayRig) beginTask() {
	r.t.Helper()
	// A poll of a worker that has stopped may have taken the task: then it is there again
	// after its timeout.
	ctx, cancel := context.WithTimeout(r.t.Context(), taskTimeout+patience)
	defer cancel()
	for {
		task, err := r.client.WorkflowService().PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
			Namespace: client.DefaultNamespace, TaskQueue: &taskqueue.TaskQueue{Name: r.queue}, Identity: "test",
		})
		require.NoError(r.t, err)
		if len(task.GetTaskToken()) > 0 {
			return
		}
	}
}

// run replays the rig's workflows, once visibility lists n of them.
func (r *replayRig) run(n int, change func(*replay.Options)) (*replay.Report, error) {
	r.t.Helper()
	o := replay.Options{
		Temporal: r.client, Register: register(waiting), Query: `TaskQueue="` + r.queue + `"`, Sample: 100,
	}
	require.EventuallyWithT(r.t, func(c *assert.CollectT) {
		answer, err := r.client.CountWorkflow(r.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default", Query: o.Query})
		require.NoError(c, err)
		require.EqualValues(c, n, answer.GetCount())
	}, patience, 20*time.Millisecond)
	change(&o)
	return replay.Run(r.t.Context(), o)
}
